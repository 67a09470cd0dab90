"""Captions as words: from and to the names of files, and with words for the framing. Knows no pictures."""

import re
from collections.abc import Mapping

from retrato.photos.framing import Framing

FRAMING_WORDS: Mapping[Framing, str] = {"full": "full-body", "half": "half-body", "close": "close-up"}
_FRAMED = re.compile(r"\b(close[ -]?up|portrait|half[ -]?body|full[ -]?body|upper[ -]?body|head ?shot|selfie)\b", re.I)


def framed(caption: str | None, framing: Framing | None) -> str | None:
    """Gives the caption behind words for the framing, `close-up, red hat, in a park`, unless it has such words.

    What the words say, the embedding need not learn. Unknown framings and captions without words stay as they are.
    """
    if not caption or framing is None or _FRAMED.search(caption):
        return caption
    return f"{FRAMING_WORDS[framing]}, {caption}"


def caption_words(stem: str) -> str | None:
    """Gives the words in a file's name without the numbers it begins with, None where nothing is left."""
    words = re.sub(r"^[\d\s_-]+", "", stem).replace("_", " ")
    return " ".join(words.encode("utf-8", "ignore").decode().split()) or None


def name_words(caption: str, longest: int) -> str:
    """Gives the caption as part of a file's name: nothing reserved in it, at most `longest` bytes, never empty."""
    text = caption.encode("utf-8", "replace").decode()
    text = "".join("_" if letter in '<>:"/\\|?*' or not letter.isprintable() else letter for letter in text)
    return text.encode()[:longest].decode("utf-8", "ignore").rstrip(" .") or "photo"
