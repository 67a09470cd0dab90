"""Prompt templates for training: lines with `[name]` for the embedding and `[filewords]` for a photo's caption.

`[framing]` is ours: the caption's words for how much shows, moved to where people say it, `a close-up photo of [name]`.

Knows nothing of photos or captions; which line goes with which photo is the training's choice.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from retrato.errors import PromptError
from retrato.files import read_text

LARGEST_FILE = 1 << 20
"""Bytes of a template file; a longer one is not a template file."""

_SUBJECT = (
    "a photo of [name]",
    "a portrait of [name]",
    "a close-up of [name]",
    "a picture of [name]",
    "an image of [name]",
    "a rendering of [name]",
    "a depiction of [name]",
    "a snapshot of [name]",
    "a cropped photo of [name]",
    "a close-up photo of [name]",
    "a bright photo of [name]",
    "a dark photo of [name]",
    "a clean photo of [name]",
    "a dirty photo of [name]",
    "a clear photo of [name]",
    "a blurry photo of [name]",
    "a good photo of [name]",
    "a bad photo of [name]",
    "a nice photo of [name]",
    "a cool photo of [name]",
    "a strange photo of [name]",
    "a small photo of [name]",
    "a large photo of [name]",
    "a detailed photo of [name]",
    "a black and white photo of [name]",
)
_STYLE = (
    "a painting by [name]",
    "a picture by [name]",
    "a drawing by [name]",
    "an illustration by [name]",
    "a rendering by [name]",
    "a sketch by [name]",
    "a portrait by [name]",
    "a landscape by [name]",
    "a close-up painting by [name]",
    "a cropped painting by [name]",
    "a bright painting by [name]",
    "a dark painting by [name]",
    "a clean painting by [name]",
    "a rough painting by [name]",
    "a good painting by [name]",
    "a strange painting by [name]",
    "a small painting by [name]",
    "a large painting by [name]",
    "a detailed painting by [name]",
)

TEMPLATES: dict[str, tuple[str, ...]] = {
    "name_filewords": ("[name] [filewords]",),
    "style": _STYLE,
    "style_filewords": tuple(f"{line}, [filewords]" for line in _STYLE),
    "subject": _SUBJECT,
    "subject_filewords": tuple(f"{line}, [filewords]" for line in _SUBJECT),
    # These two do not say [name]: for hypernetworks, which have none.
    "hypernetwork": tuple(line.replace("[name]", "a [filewords]") for line in _SUBJECT),
    "none": ("picture",),
}


def template_names(*, needs_name: bool = True) -> tuple[str, ...]:
    """Gives the names of the built-in lists; of those whose every line has a `[name]`, where it `needs_name`."""
    return tuple(name for name, lines in TEMPLATES.items() if not needs_name or all("[name]" in line for line in lines))


def read_templates(path_or_name: str | Path, *, needs_name: bool = True) -> list[str]:
    """Gives the template lines of a file, or of a built-in list (one of `TEMPLATES`), without the blank ones.

    `subject_filewords.txt`, alone or in A1111's folder, means the built-in list too unless there is such a file.
    Raises PromptError if there is neither, if the file is not UTF-8 text of at most 1 MiB, if it has no line, or if a
    line has no `[name]` where it `needs_name`: a step on that line could teach an embedding nothing.
    """
    path = Path(path_or_name)
    lines = _built_in(path_or_name) or _lines(path, template_names(needs_name=needs_name))
    for number, line in lines:
        if needs_name and "[name]" not in line:
            raise PromptError(f"line {number} of {path} has no [name]: put [name] where the embedding belongs")
    return [line for _, line in lines]


def _built_in(path_or_name: str | Path) -> list[tuple[int, str]]:
    """Gives the numbered lines of a built-in list, empty where `path_or_name` means none."""
    name, path = str(path_or_name), Path(path_or_name)
    is_a1111s = path.suffix == ".txt" and path.parent.name in ("", "textual_inversion_templates")
    if name not in TEMPLATES and is_a1111s and path.stem in TEMPLATES and not path.exists():
        name = path.stem
    return list(enumerate(TEMPLATES.get(name, ()), start=1))


def _lines(path: Path, built_in: Sequence[str]) -> list[tuple[int, str]]:
    """Gives the numbered lines of a file without the blank ones; raises PromptError where there are none."""
    try:
        text = read_text(path, LARGEST_FILE)
    except FileNotFoundError:
        names = ", ".join(built_in)
        raise PromptError(
            f"there is no template file {path}: give a text file with one prompt a line, or one of {names}"
        ) from None
    except (OSError, ValueError) as error:
        raise PromptError(f"{path} cannot be read as a template: {error}; give a UTF-8 text file") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise PromptError(f"{path} is empty: write one prompt a line, such as: a photo of [name]")
    return lines


def fill_template(template: str, *, name: str, filewords: str = "") -> str:
    """Gives the prompt of one training picture; without `filewords` the comma before them goes too.

    The caption goes in first, so a caption may itself say `[name]`. Where it names no framing, `[framing]` is left out.
    """
    if "[framing]" in template:
        framing, filewords = _without_framing(filewords)
        template = template.replace("[framing]", framing) if framing else re.sub(r" ?\[framing\]", "", template)
    if not filewords:
        template = template.replace(", [filewords]", "")
    return template.replace("[filewords]", filewords).replace("[name]", name).strip()


_FRAMING = r"(?:an? )?(close-up|half[ -]body|full[ -]body)"
_ONLY_FRAMING = re.compile(rf"{_FRAMING}(?: photo)?", re.I)
_FRAMED_PHOTO = re.compile(rf"{_FRAMING} photo of ", re.I)


def _without_framing(caption: str) -> tuple[str, str]:
    """Takes the framing out of a caption, be it a part of its own or what it begins with; "" where it names none."""
    if begun := _FRAMED_PHOTO.match(caption):
        return begun[1], caption[begun.end() :]
    parts = caption.split(", ")
    for index, part in enumerate(parts):
        if alone := _ONLY_FRAMING.fullmatch(part.strip()):
            return alone[1], ", ".join(parts[:index] + parts[index + 1 :])
    return "", caption
