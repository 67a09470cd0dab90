"""`retrato forget`: removes a person. Knows the screen."""

from typing import Annotated

import typer

from retrato.cli.options import Json
from retrato.cli.screen import Screen
from retrato.forget import blends_with
from retrato.forget import forget as forget_person
from retrato.gallery import Gallery
from retrato.home import home_folder
from retrato.jobs import JobQueue


def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the person's name")],
    json: Json = False,
) -> None:
    """Removes everything about a person, and says what that was."""
    screen, home = Screen(json), home_folder()
    queue, gallery = JobQueue(home), Gallery(home)
    try:
        removed = forget_person(home, name, queue=queue, gallery=gallery)
    finally:
        queue.close()
        gallery.close()
    for each in removed:
        screen.say(f"removed {each}")
    for blended in blends_with(home, name):
        screen.note(f"{blended} was blended from {name} and is still there: `retrato forget {blended}` removes it, too")
    screen.note("copies that you made elsewhere, and files that you gave away, are still there")
    screen.finish({"name": name, "removed": removed})
