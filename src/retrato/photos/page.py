"""The contact sheet as a file: a picture, or a page of HTML that needs nothing beside it.

Knows a report and the files it names; how the verdicts came about is `check`'s.
"""

import base64
from pathlib import Path

from PIL import Image

from retrato.errors import PhotoError
from retrato.files import printable, write_atomic
from retrato.markup import Html, tag
from retrato.photos.check import PhotoReport, PhotoVerdict
from retrato.photos.encode import encode
from retrato.photos.photo import read_photo
from retrato.photos.sheet import CALLED, COLOURS, HEADLINES, contact_sheet

_TILE = 320
_STYLE = """
:root { color-scheme: light dark; --paper: #f6f4ef; --ink: #26242b; --faint: #6b6671; --card: #fff; --empty: #e9e5dd }
@media (prefers-color-scheme: dark) { :root { --paper: #1d1b20; --ink: #eceaf0; --faint: #aaa5b0; --card: #29262e;
  --empty: #39353f } }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 } .counts, small { color: var(--faint) } ul.advice { padding-left: 1.2rem }
ol { list-style: none; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)) }
li.photo { background: var(--card); border-radius: .6rem; border-top: .35rem solid var(--verdict); padding: .7rem;
  overflow-wrap: anywhere }
li.photo img, .empty { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--empty);
  border-radius: .3rem }
.verdict { background: var(--verdict); color: #fff; border-radius: 1rem; padding: .1rem .6rem; font-size: .8rem }
li.photo p { margin: .4rem 0 0; font-size: .88rem }
"""


def require_sheet(file: Path) -> None:
    """Raises PhotoError unless a sheet can be written to `file`: a new .png or .html."""
    if file.suffix.lower() not in (".png", ".html"):
        raise PhotoError(f"the sheet {printable(file)} ends in {file.suffix or 'nothing'}: name a .png or a .html file")
    if file.exists():
        raise PhotoError(f"{printable(file)} exists and is not written over: name another file")


def write_sheet(report: PhotoReport, file: Path) -> Path:
    """Writes the sheet in the form that the file's ending says, and gives `file` back; raises as `require_sheet`."""
    require_sheet(file)
    if file.suffix.lower() == ".html":
        return write_atomic(file, contact_page(report))
    return write_atomic(file, encode(contact_sheet(report)))


def contact_page(report: PhotoReport) -> str:
    """Gives the page: the verdict on the set, the advice, and each photo with what was found out about it."""
    counts = [(kind, sum(photo.verdict == kind for photo in report.photos)) for kind in COLOURS]
    headline = HEADLINES[report.verdict]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width"),
        tag("title", headline),
        tag("style", Html(_STYLE)),
    )
    body = tag(
        "body",
        tag("h1", headline, style=f"color: {COLOURS[report.verdict]}"),
        tag("p", ", ".join(f"{count} {kind}" for kind, count in counts if count), class_="counts"),
        tag("ul", *(tag("li", sentence) for sentence in report.advice), class_="advice"),
        tag("p", tag("small", report.not_looked_for)) if report.not_looked_for else "",
        tag("ol", *map(_item, report.photos)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _item(photo: PhotoVerdict) -> Html:
    facts = [f"{photo.width} × {photo.height}" if photo.width else "", CALLED[photo.framing]]
    if photo.faces is not None:
        facts.append("1 face" if photo.faces == 1 else f"{photo.faces} faces")
    name = printable(photo.file.name)
    return tag(
        "li",
        _picture(photo, name),
        tag("p", tag("span", photo.verdict, class_="verdict"), f" {name}"),
        tag("p", tag("small", " · ".join(fact for fact in facts if fact))),
        *(tag("p", problem) for problem in photo.problems),
        class_="photo",
        style=f"--verdict: {COLOURS[photo.verdict]}",
    )


def _picture(photo: PhotoVerdict, name: str) -> Html:
    try:
        picture = read_photo(photo.file, shorter_side=_TILE).image
    except PhotoError:  # the report says why
        return tag("div", class_="empty")
    picture.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
    content = base64.b64encode(encode(picture, "JPEG", quality=85)).decode()
    return tag("img", alt=name, src=f"data:image/jpeg;base64,{content}")
