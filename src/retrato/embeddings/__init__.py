"""The artefact that training learns: the embedding, the files that hold it, and the folder that keeps many."""

from retrato.embeddings.blend import blend
from retrato.embeddings.card import card_bytes
from retrato.embeddings.embedding import Embedding, check_name
from retrato.embeddings.formats import FORMATS, read_embedding, write_embedding
from retrato.embeddings.library import EmbeddingLibrary

__all__ = [
    "FORMATS",
    "Embedding",
    "EmbeddingLibrary",
    "blend",
    "card_bytes",
    "check_name",
    "read_embedding",
    "write_embedding",
]
