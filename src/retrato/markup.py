"""HTML that is safe by construction: text is escaped where it enters, only what `tag` made is taken as it is.

Knows nothing of what a page says.
"""

from collections.abc import Iterable
from html import escape

_WITHOUT_END = frozenset(("img", "input", "link", "meta"))


class Html(str):
    """Markup that holds no unescaped text of others; made by `tag` and `joined` only."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | None) -> Html:
    """Gives an element; children that are not Html are escaped, attributes always are.

    `class_` stands for class, other underscores for hyphens; an attribute that is None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name}{written}>"
    return Html(start if name in _WITHOUT_END else f"{start}{joined(children)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Gives the parts in a row, escaped where they are not Html."""
    return Html(_escaped(between).join(map(_escaped, parts)))


def with_code(sentence: str) -> Html:
    """Gives a sentence in which what stands between backticks, such as a command, is set as code."""
    words = sentence.split("`")
    if len(words) % 2 == 0:  # one of them is no pair
        return _escaped(sentence)
    return joined(tag("code", each) if number % 2 else each for number, each in enumerate(words))


def _escaped(part: str) -> Html:
    return part if isinstance(part, Html) else Html(escape(part))
