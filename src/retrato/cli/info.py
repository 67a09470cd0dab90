"""`retrato info`: how a picture was drawn, as it says itself. Knows no model."""

from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.options import Json
from retrato.cli.screen import Screen
from retrato.generation import parse_infotext, require_infotext


def info(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="a PNG, JPEG or WebP picture")],
    json: Json = False,
) -> None:
    """Shows the parameters that a picture carries."""
    screen = Screen(json)
    infotext = require_infotext(image)
    screen.say(infotext)
    screen.finish({"file": image, "infotext": infotext, "parameters": parse_infotext(infotext)})
