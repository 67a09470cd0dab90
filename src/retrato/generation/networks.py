"""Which hypernetworks a prompt asks for: `<hypernet:name:strength>`, any number of them. Knows not how they work."""

import math
from collections.abc import Mapping

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

    Tags of other kinds and names that `library` does not have are passed over, as in A1111; `check_prompts` warns of
    them. Raises PromptError for a strength that is no number, HypernetworkError for a file that cannot be used.
    """
    wanted = [_said(tag) for tag in extract_tags(prompt)[1] if tag.kind == KIND]
    return [(library[name], strength) for name, strength in wanted if name in library]


def require(name: str | None, library: Mapping[str, Hypernetwork]) -> None:
    """Raises PromptError where the settings, not the prompt, name a hypernetwork that is not there."""
    if name is not None and name not in library:
        known = ", ".join(sorted(library)) or "none yet"
        raise PromptError(f"there is no hypernetwork {name[:64]!r}, there are {known}: give one of them")


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
