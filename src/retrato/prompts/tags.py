"""Tags such as `<hypernet:name:0.8>` that a prompt carries for something other than the text encoder.

Knows nothing of what a tag switches on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: `<lora:foo:0.8:te=0.5>` is `Tag("lora", ("foo", "0.8"), {"te": "0.5"})`.

    `position` counts the characters before it.
    """

    kind: str
    positional: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)
    position: int = field(default=0, compare=False)


def extract_tags(prompt: str) -> tuple[str, list[Tag]]:
    """Gives the prompt without its tags, and the tags in order.

    A tag is `<word:arguments>`, its arguments separated by colons; one with exactly one `=` is named. Nothing is put
    in a tag's place, so the spaces around it stay. What looks almost like a tag (`<lora:>`, `< lora:x>`) is text.
    """
    kept: list[str] = []
    tags: list[Tag] = []
    done = 0
    start = prompt.find("<")
    while start != -1:
        arguments = _arguments_start(prompt, start)
        if arguments is not None:
            end = prompt.find(">", arguments)
            if end == -1:
                break
            if end > arguments:
                kept.append(prompt[done:start])
                tags.append(_tag(prompt[start + 1 : arguments - 1], prompt[arguments:end], start))
                done = end + 1
        start = prompt.find("<", max(done, start + 1))
    kept.append(prompt[done:])
    return "".join(kept), tags


def _arguments_start(prompt: str, start: int) -> int | None:
    """Gives the index behind the colon of a `<word:` that begins at `start`, or None if there is none."""
    at = start + 1
    while at < len(prompt) and (prompt[at].isalnum() or prompt[at] == "_"):
        at += 1
    return at + 1 if start + 1 < at < len(prompt) and prompt[at] == ":" else None


def _tag(kind: str, arguments: str, position: int) -> Tag:
    items = arguments.split(":")
    named = dict(item.split("=") for item in items if item.count("=") == 1)
    return Tag(kind, tuple(item for item in items if item.count("=") != 1), named, position)
