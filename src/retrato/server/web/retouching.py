"""One photo of a set, opened: its cut, which can be moved, and its caption, which can be written. Knows no tabs."""

import json
import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from retrato.errors import SettingsError
from retrato.files import printable
from retrato.markup import Html, tag
from retrato.server.photo_files import Cut
from retrato.server.service import Service
from retrato.server.web.site import Site, button

SAID = "photos-said"


def opened_photo(site: Site, name: str, file: Path, caption: str, cut: Cut | None, size: tuple[int, int]) -> Html:
    """Gives the photo with a frame to move, its caption and what can be done with it.

    `cut` is as in `Service.cut_photo`, None where nothing was cut off yet: the frame then is the greatest square in the
    middle. `size` is that of the whole photo, width and height in pixels.
    """
    width, height = size
    shorter = min(size)
    left, top, side = cut or ((1 - shorter / width) / 2, (1 - shorter / height) / 2, 1.0)
    image = tag("img", src=f"{address_of(name, file)}/whole", alt=file.name)
    frame = tag(
        *("div", ""),
        class_="frame",
        tabindex="0",
        role="application",
        aria_label=site("photos.frame"),
        data_left=f"{left:.5f}",
        data_top=f"{top:.5f}",
        data_side=f"{side:.5f}",
        data_width=str(width),
        data_height=str(height),
    )
    slider = tag("input", type="range", min="20", max="100", value=f"{side * 100:.0f}", class_="brush")
    words = tag("textarea", caption, rows="3", maxlength="4000")
    save = tag(
        "button", site("photos.save"), type="button", class_="small strong", data_retouch=SAID, data_file=file.name
    )
    tools = [
        save,
        *([button(site("photos.uncut"), SAID, json.dumps({"verb": "whole", "file": file.name}))] if cut else []),
        button(site("photos.remove"), SAID, json.dumps({"verb": "remove", "file": file.name}), class_="small danger"),
        button(site("gallery.close"), SAID, json.dumps({"verb": "close"})),
    ]
    facts = [
        tag("strong", file.name),
        tag("p", site("photos.frame"), class_="quiet"),
        tag("label", site("photos.cut"), " ", slider),
        tag("label", site("photos.caption"), words, class_="above"),
        tag("div", *tools, class_="row"),
    ]
    return tag(
        "div", tag("div", image, frame, class_="cutting"), tag("div", *facts, class_="prose-like"), class_="opened"
    )


def shared_photo(site: Site, name: str, file: Path, caption: str) -> Html:
    """Gives a photo that many may learn from and nobody changes here, with its caption."""
    called = printable(file.name)
    facts = [
        tag("strong", called),
        tag("p", site("photos.shared"), class_="quiet"),
        *([tag("p", caption)] if caption else []),
        tag("div", button(site("gallery.close"), SAID, json.dumps({"verb": "close"})), class_="row"),
    ]
    image = tag("img", src=f"{address_of(name, file)}/whole", alt=called)
    return tag("div", tag("div", image, class_="cutting"), tag("div", *facts, class_="prose-like"), class_="opened")


def address_of(name: str, file: Path) -> str:
    """Gives where the small copy of a photo of the set `name` is, whatever characters are in the names."""
    return f"/web/photos/{quote(name, safe='')}/{quote(os.fsencode(file.name), safe='')}"


def retouch(service: Service, name: str, said: dict[str, Any], *, owner: str) -> None:
    """Does what the page says about a photo of a set. Raises SettingsError, UnknownError and PhotoError."""
    file = str(said.get("file", ""))
    if said.get("verb") == "remove":
        service.remove_photo(name, file, owner=owner)
        return
    if said.get("verb") == "whole":
        service.uncut_photo(name, file, owner=owner)
        return
    if said.get("cut"):
        try:
            left, top, side = (float(share) for share in said["cut"])
            if not math.isfinite(left + top + side):
                raise ValueError
        except (TypeError, ValueError):
            raise SettingsError("the frame has no place: load the page again") from None
        service.cut_photo(name, file, (left, top, side), owner=owner)
    service.caption_photo(name, file, str(said.get("caption", ""))[:4000], owner=owner)
