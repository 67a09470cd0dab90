"""Writes the pages that follow from the code: docs/settings.md from the settings, docs/cli.md from the commands.

python docs/generate.py            `make docs`; a test fails when a page is stale
"""

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.text import Text

from retrato.cli.app import COMMANDS
from retrato.settings import (
    EvaluateSettings,
    GenerateSettings,
    HypernetworkSettings,
    LearnSettings,
    PhotoSettings,
    ServerSettings,
    Settings,
    TrainSettings,
)
from retrato.training import RECIPES, Recipe

FOLDER = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py (`make docs`): change the code, not this page. -->"

SETTINGS_INTRODUCTION = """\
Every option is defined once, in `src/retrato/settings.py`: the same name, bounds and meaning in Python and on the
command line. A dash as default means that the value must be given; `recipe's` and `model's` mean that it is left to the
[recipe](#recipes) or to the base model."""

CLI_INTRODUCTION = """\
Exit codes: 0 done, 1 failed while working, 2 the input is wrong (one line says what was found, what was wanted and what
to do), 130 interrupted, with the work saved. With `--json`, stdout carries one JSON object and everything for people
goes to stderr. `RETRATO_HOME` names the folder where embeddings, runs and pictures are kept."""


def settings_page() -> str:
    """Gives docs/settings.md: a table for each kind of settings, and one of the recipes."""
    parts = ["# Settings", NOTE, SETTINGS_INTRODUCTION]
    kinds: tuple[tuple[type[Settings], str], ...] = (
        (PhotoSettings, "prepare"),
        (TrainSettings, "train"),
        (HypernetworkSettings, "hypernetworks train"),
        (GenerateSettings, "generate"),
        (EvaluateSettings, "evaluate"),
        (ServerSettings, "serve"),
    )
    for kind, command in kinds:
        anchor = f"retrato-{command.replace(' ', '-')}"
        introduction = f"{kind.__doc__} The options are those of [`retrato {command}`](cli.md#{anchor})."
        parts += [f"## {kind.__name__}", introduction, _settings_table(kind, command)]
    parts += ["## Recipes", "What a recipe says where the settings say nothing; see [training](training.md)."]
    return "\n\n".join([*parts, _recipe_table()]) + "\n"


def cli_page() -> str:
    """Gives docs/cli.md: every command with its arguments and options."""
    parts = ["# Commands", NOTE, CLI_INTRODUCTION]
    for entry in COMMANDS:
        parameters = _parameters(entry.name)
        arguments = [_called(each).strip("`") for each in parameters if _is_argument(each)]
        usage = " ".join(["retrato", entry.name, *arguments, "[OPTIONS]"])
        rows = [(_called(each), _taken(each), _default(each), _help(each)) for each in parameters]
        table = _table(("option", "takes", "default", "meaning"), rows)
        parts += [f"## retrato {entry.name}", entry.help, f"```\n{usage}\n```", table]
    return "\n\n".join(parts) + "\n"


def _settings_table(kind: type[Settings], command: str) -> str:
    called = {each.name: _called(each) for each in _parameters(command)}
    rows = []
    for name, field in kind.model_fields.items():
        values = _values(_without_none(field.annotation), field.metadata)
        rows.append((f"`{name}`", called[name], values, _setting_default(kind, name, field), _cell(field.description)))
    return _table(("setting", "option", "values", "default", "meaning"), rows)


def _setting_default(kind: type[Settings], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "-"
    if field.default is None:
        if kind is GenerateSettings:
            return "model's"
        return "recipe's" if name in Recipe.__dataclass_fields__ and issubclass(kind, LearnSettings) else "none"
    return "none" if field.default == () else _shown(field.default)


def _recipe_table() -> str:
    names = [name for name in Recipe.__dataclass_fields__ if name not in ("templates", "pick")]
    rows = [(f"`{name}`", *(_shown(getattr(recipe, name)) for recipe in RECIPES.values())) for name in names]
    rows.append(("`templates`", *(_templates(recipe) for recipe in RECIPES.values())))
    return _table(("choice", *(f"`{name}`" for name in RECIPES)), rows)


def _templates(recipe: Recipe) -> str:
    if len(recipe.templates) > 4:
        return f"{len(recipe.templates)}, the first is `{recipe.templates[0]}`"
    return "<br>".join(f"`{template}`" for template in recipe.templates)


def _parameters(command: str) -> list[inspect.Parameter]:
    """Gives a command's arguments and options: plain signatures, as typer's own objects differ between versions."""
    entry = next(each for each in COMMANDS if each.name == command)
    function: Callable[..., None] = getattr(import_module(entry.module), entry.function)
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    found = [each for each in parameters if each.annotation is not typer.Context]
    return sorted(found, key=lambda each: not _is_argument(each))


def _said(parameter: inspect.Parameter) -> Any:
    """Gives what typer is told about a parameter."""
    if get_origin(parameter.annotation) is not Annotated:
        raise TypeError(f"parameter {parameter.name} is not annotated with typer.Option or typer.Argument")
    return get_args(parameter.annotation)[1]


def _is_argument(parameter: inspect.Parameter) -> bool:
    return isinstance(_said(parameter), type(typer.Argument()))


def _called(parameter: inspect.Parameter) -> str:
    """Gives an option's flags, or an argument's place holder."""
    said = _said(parameter)
    if _is_argument(parameter):
        return f"`{said.metavar or parameter.name.upper()}`"
    # Inside Annotated, typer takes the first flag for the default at first.
    flags = [each for each in (said.default, *(said.param_decls or ())) if str(each).startswith("-")]
    return ", ".join(f"`{flag}`" for flag in flags or [f"--{parameter.name.replace('_', '-')}"])


def _taken(parameter: inspect.Parameter) -> str:
    if not _is_argument(parameter) and _said(parameter).metavar:
        return f"`{_said(parameter).metavar}`"
    return _values(_without_none(get_args(parameter.annotation)[0]), ())


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "-"
    return "" if parameter.default in (None, "", ()) else _shown(parameter.default)


def _help(parameter: inspect.Parameter) -> str:
    return _cell(Text.from_markup(_said(parameter).help or "").plain)


def _without_none(annotation: Any) -> Any:
    """Gives A of `A | None`, and anything else as it is."""
    members = [each for each in get_args(annotation) if each is not NoneType]
    return members[0] if NoneType in get_args(annotation) else annotation


def _values(kind: Any, bounds: Sequence[Any]) -> str:
    """Gives the choices that there are, or the type with its bounds."""
    if get_origin(kind) is Literal:
        return " ".join(f"`{choice}`" for choice in get_args(kind))
    words = {int: "whole number", float: "number", bool: "yes or no", str: "text", Path: "path"}
    said = {"ge": "from {}", "gt": "above {}", "le": "to {}", "multiple_of": "in multiples of {}"}
    said |= {"max_length": "of at most {} characters"}
    found = [
        text.format("2^63 - 1" if getattr(bound, name) == 2**63 - 1 else getattr(bound, name))
        for name, text in said.items()
        for bound in bounds
        if getattr(bound, name, None) is not None
    ]
    return " ".join([words.get(kind, "texts"), *found])


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"`{value}`" if value != "" else "empty"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


PAGES = {"settings.md": settings_page, "cli.md": cli_page}


def main() -> None:
    """Writes all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
