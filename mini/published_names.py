"""A text encoder's weights by the names of published files, which transformers reads but since 5.6 no more writes.

Older ones find no others: they take the shorter names for those of another model, and make up numbers.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file


def name_as_published(file: Path) -> None:
    """Writes the text encoder's weights in `file` anew, with `text_model.` before their names; nothing else changes."""
    weights = load_file(file)
    named = {
        name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}": value
        for name, value in weights.items()
    }
    save_file(named, file, {"format": "pt"})
