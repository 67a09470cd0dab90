"""Which hypernetworks a prompt asks for: `<hypernet:name:strength>`, any number of them. Knows not how they work."""

import math
from collections.abc import Iterable, Mapping

from retrato.errors import PromptError
from retrato.hypernetworks import Hypernetwork
from retrato.prompts import extract_tags
from retrato.prompts.tags import Tag

KIND = "hypernet"


def hypernet_tag(name: str, strength: float = 1.0) -> str:
    """Gives the tag that applies the hypernetwork `name` with `strength`."""
    return f"<{KIND}:{name}:{strength:g}>"


def hypernetworks_of(prompt: str, library: Mapping[str, Hypernetwork]) -> list[tuple[Hypernetwork, float]]:
    """Gives the hypernetworks that `prompt` asks for with their strengths, in its order; 1 where none is written.

    Raises PromptError for tags of other kinds and strengths that are no numbers, HypernetworkError or PromptError for a
    name that `library` does not have. A1111 passes over all of these.
    """
    _, tags = extract_tags(prompt)
    refuse_others(tags)
    found = []
    for tag in tags:
        name, strength = _said(tag)
        if name not in library:
            known = ", ".join(sorted(library)) or "none yet"
            raise PromptError(f"the prompt asks for the hypernetwork {name[:64]!r}, but there are {known}")
        found.append((library[name], strength))
    return found


def refuse_others(tags: Iterable[Tag]) -> None:
    """Raises PromptError for tags of networks that cannot be applied."""
    others = [tag for tag in tags if tag.kind != KIND]
    if others:
        written = ", ".join(f"<{tag.kind}:{':'.join(tag.positional)}>" for tag in others[:5])
        raise PromptError(
            f"the prompt asks for {written}: retrato draws with embeddings and hypernetworks only, take the tags out"
        )


def _said(tag: Tag) -> tuple[str, float]:
    name, *rest = tag.positional or ("",)
    try:
        strength = float(rest[0]) if rest else 1.0
    except ValueError:
        strength = math.nan
    if not math.isfinite(strength):
        raise PromptError(
            f"the strength of the hypernetwork {name[:64]} is {rest[0][:20]!r}: write a number, such as 0.8"
        )
    return name, strength
