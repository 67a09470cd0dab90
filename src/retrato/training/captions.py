"""What the text encoder is told about each photo: captions, and templates filled with them.

Knows nothing of tokens and tensors other than as a source of chance.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch

from retrato.model.caption import Captioner
from retrato.model.companions import FETCH_CAPTIONER
from retrato.photos import Photo
from retrato.prompts import fill_template


def captions_of(
    photos: Sequence[Photo],
    how: Literal["auto", "file", "none"],
    captioner: Captioner | None = None,
    subject: str = "a person",
    written: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Gives what [filewords] says for each photo: the .txt beside it, else ("auto") the captioner's words, else "".

    A run that goes on keeps, in place of the captioner's words, those that it has `written` down by photo.

    Words for framing, background and style explain those, so that the vectors need not; words for the person would
    take away what is to be learned, so the captioner goes on from `subject` instead of describing anew.
    """
    if how == "none":
        return [""] * len(photos)
    captions = [photo.caption or "" for photo in photos]
    missing = [index for index, caption in enumerate(captions) if not caption]
    if written:
        return [caption or written.get(photo.path.name, "") for photo, caption in zip(photos, captions, strict=True)]
    if how == "auto" and captioner is not None and missing:
        words = captioner.caption([photos[index].image for index in missing], f"{subject},")
        for index, caption in zip(missing, words, strict=True):
            captions[index] = caption
    return captions


def captions_hint(captions: Sequence[str], templates: Sequence[str]) -> str:
    """Says what is learned besides the person where no photo has a caption that a template asks for; else nothing."""
    if any(captions) or not any("[filewords]" in template for template in templates):
        return ""
    return (
        "no photo has a caption, so clothes and rooms are learned along with the person: write .txt files beside the "
        f"photos, or once `{FETCH_CAPTIONER}`"
    )


def class_phrase(words: str, class_word: str = "person") -> str:
    """Gives the class word as it stands in a sentence: `person` becomes `a person`, `the old man` stays.

    `words` are what is started from; where these say nothing, as A1111's `*` does not, it is the model's `class_word`.
    """
    if not any(letter.isalpha() for letter in words):
        words = class_word
    if words.split(" ")[0].lower() in ("a", "an", "the"):
        return words
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def caption_text(
    template: str, name: str, caption: str, *, shuffle: bool, dropout: float, source: torch.Generator
) -> str:
    """Gives one training text: the template filled with the name and the caption's comma-separated parts.

    `shuffle` mixes the parts, `dropout` leaves each of them out with that probability, both drawn from `source`.
    """
    parts = [part.strip() for part in caption.split(",") if part.strip()]
    if dropout:
        kept = torch.rand(len(parts), generator=source) >= dropout
        parts = [part for part, keep in zip(parts, kept.tolist(), strict=True) if keep]
    if shuffle:
        parts = [parts[index] for index in torch.randperm(len(parts), generator=source).tolist()]
    return fill_template(template, name=name, filewords=", ".join(parts))
