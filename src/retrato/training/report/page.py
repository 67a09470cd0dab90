"""The frame of a report: one file that needs nothing else, asks nobody for anything and runs no script.

Knows nothing of what is reported.
"""

from pathlib import Path

from retrato.files import write_atomic
from retrato.markup import Html, joined, tag

# The browser is told to load nothing but what is in the page, whatever a name or caption may try.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PRIVATE = (
    "This page holds the pictures themselves: pass it on as you would pass them on. Nothing in it was sent anywhere."
)


def write_page(path: Path, title: str, parts: list[Html], signature: str) -> Path:
    """Writes the page atomically and gives its path; `signature` says below what made it, and on what."""
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(f"\n{style}")),
    )
    foot = tag("footer", tag("p", _PRIVATE), tag("p", signature, class_="signature"))
    body = tag("body", tag("main", joined(parts, "\n"), foot))
    return write_atomic(path, f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")


def section(title: str, *parts: str) -> Html:
    """Gives a section of the page under its heading."""
    return tag("section", tag("h2", title), *parts)


def paragraph(text: str, class_: str | None = None) -> Html:
    """Gives a paragraph of plain text."""
    return tag("p", text, class_=class_)


def seconds_in_words(seconds: float) -> str:
    """Gives `2 min 14 s`, below a minute `42 s`, below ten seconds `8.4 s`."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def quoted(prompt: str, name: str) -> Html:
    """Gives the prompt as a line of its own, the person's name standing out and in one piece."""
    parts = prompt.split(name)
    return tag("p", joined(parts, tag("b", name)), class_="prompt")


def counted(number: int, what: str) -> str:
    """Gives `1 photo`, `20 photos`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def sentence(text: str) -> str:
    """Gives the text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
