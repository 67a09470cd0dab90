from pathlib import Path

import pytest
import torch

from retrato.embeddings import FORMATS, Embedding, write_embedding
from retrato.embeddings.kind import format_of
from retrato.errors import EmbeddingError


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_written_is_recognised(tmp_path: Path, name: str) -> None:
    embedding = Embedding("ana-t1", (torch.ones(2, 8),), step=3)
    assert format_of(write_embedding(embedding, tmp_path / f"ana-t1{FORMATS[name].suffix}", name)) == name


def test_vectors_for_two_encoders_are_told_apart(tmp_path: Path) -> None:
    pair = Embedding("ana-t1", (torch.ones(2, 8), torch.ones(2, 12)))
    assert format_of(write_embedding(pair, tmp_path / "a.safetensors")) == "sdxl"
    assert format_of(write_embedding(pair, tmp_path / "a.pt", "a1111-pt")) == "sdxl-pt"


def test_the_first_layouts_are_recognised(tmp_path: Path) -> None:
    vectors = torch.ones(2, 8)
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": vectors}}, tmp_path / "r.pt")
    torch.save({"<ana>": vectors[0]}, tmp_path / "d.bin")
    assert format_of(tmp_path / "r.pt") == "rinongal-pt"
    assert format_of(tmp_path / "d.bin") == "diffusers"


def test_what_is_no_embedding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"PK")
    with pytest.raises(EmbeddingError, match=r"x\.pt cannot be used"):
        format_of(tmp_path / "x.pt")
