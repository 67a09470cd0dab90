"""`retrato styles`: named words that `--style` adds to prompts, in the home folder's `styles.csv`. Knows no model."""

from typing import Annotated

import typer

from retrato.cli.options import Json
from retrato.cli.screen import Screen
from retrato.errors import PromptError
from retrato.home import home_folder
from retrato.prompts import Style, StyleFile

Name = Annotated[str, typer.Argument(metavar="NAME", help="what the style is called")]


def list_all(json: Json = False) -> None:
    """Shows the styles and the words that each adds."""
    screen, styles = Screen(json), _styles()
    found = list(styles.read().values())
    if found:
        screen.table(("style", "prompt", "negative prompt"), [(s.name, s.prompt, s.negative_prompt) for s in found])
    else:
        screen.note(f"there are no styles in {styles.path} yet: add one with `retrato styles add`, or copy A1111's")
    screen.finish({"styles": [_facts(style) for style in found], "file": styles.path})


def add(
    name: Name,
    prompt: Annotated[
        str, typer.Option("--prompt", help="words behind the prompt, or around it: {prompt} is its place")
    ] = "",
    negative: Annotated[str, typer.Option("--negative", help="the same for the negative prompt")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a style of the same name")] = False,
    json: Json = False,
) -> None:
    """Adds a style."""
    screen, styles = Screen(json), _styles()
    if not prompt.strip() and not negative.strip():
        raise PromptError(f"the style {name!r} adds no words: give some with --prompt or --negative")
    if name in styles.read() and not overwrite:
        raise PromptError(f"there is a style called {name!r} already: choose another name, or replace it: --overwrite")
    style = Style(name, prompt, negative)
    file = styles.save(style)
    screen.say(f"{name}: {file}")
    screen.finish({**_facts(style), "file": file})


def remove(name: Name, json: Json = False) -> None:
    """Takes a style out of the file."""
    screen = Screen(json)
    file = _styles().remove(name)
    screen.say(f"removed {name} from {file}")
    screen.finish({"name": name, "file": file})


def _styles() -> StyleFile:
    return StyleFile(home_folder() / "styles.csv")


def _facts(style: Style) -> dict[str, object]:
    return {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
