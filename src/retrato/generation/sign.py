"""Signs pictures: writes down all that is needed to draw one again. Knows nothing of how it was drawn."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from PIL import Image

from retrato.embeddings import Embedding
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import format_infotext
from retrato.generation.prompt_plan import PromptPlan
from retrato.model.components import Components
from retrato.settings import GenerateSettings

PROGRAM = "retrato"


def sign(
    components: Components, own: GenerateSettings, image: Image.Image, facts: Mapping[str, object]
) -> GeneratedImage:
    """Joins a picture with its `own` settings, which draw it alone, and a text that says them and `facts`."""
    vae = {"VAE hash": components.vae_hash, "VAE": components.vae_name} if components.vae_name else {}
    infotext = format_infotext(
        own,
        model=components.name,
        model_hash=components.hash,
        version=_program(),
        fields={"RNG": "CPU", **vae, **facts},
    )
    return GeneratedImage(image, own.seed, infotext, own)


def facts_of(plans: Iterable[PromptPlan], embeddings: Mapping[str, Embedding]) -> dict[str, object]:
    """Gives which files the embeddings in the prompts were read from, as A1111 writes it: `TI hashes`."""
    hashes = {name: embeddings[name].file_hash for plan in plans for name in plan.embedding_names}
    said = ", ".join(f"{name}: {file_hash}" for name, file_hash in hashes.items() if file_hash)
    return {"TI hashes": said} if said else {}


def batch_facts(place: int, size: int) -> dict[str, object]:
    """Gives which picture of how many drawn together this is; nothing for one drawn alone.

    The last bits of a sum depend on how many are computed at once, so without this a picture could not be drawn again
    to the bit.
    """
    return {"Batch size": size, "Batch pos": place} if size > 1 else {}


def _program() -> str:
    try:
        return f"{PROGRAM} {version('retrato')}"
    except PackageNotFoundError:
        return PROGRAM
