"""Writes the pages that follow from the code: docs/settings.md from the settings, docs/cli.md from the commands, and
docs/rest.md from the server's OpenAPI document.

python docs/generate.py            `make docs`; a test fails when a page is stale
"""

import inspect
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from retrato.training import HYPERNETWORK_RECIPES, RECIPES, Recipe

FOLDER = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py (`make docs`): change the code, not this page. -->"

SETTINGS_INTRODUCTION = """\
Every option is defined once, in `src/retrato/settings.py`: the same name, bounds and meaning in Python and on the
command line. A dash as default means that the value must be given; `recipe's`, `model's` and `sampler's` mean that it
is left to the [recipe](#recipes), to the base model or to the sampler."""

RECIPES_INTRODUCTION = """\
What a recipe says where the settings say nothing; see [training](training.md). For a word:"""

HYPERNETWORK_RECIPES_INTRODUCTION = """\
For a [hypernetwork](hypernetworks.md), which has no vocabulary to measure its steps by:"""

# What None stands for in settings of that kind, where it is neither nothing nor the recipe's choice of the same name.
UNSAID: dict[type[Settings], Mapping[str, str]] = {
    LearnSettings: {
        "width": "model's",
        "height": "model's",
        "template": "recipe's",
        "held_out": "a fifth",
        "preview_prompt": "`a portrait of [name]`",
        "sizes": "all",
    },
    GenerateSettings: {
        "width": "model's",
        "height": "model's",
        "guidance_scale": "model's",
        "eta": "sampler's",
        "denoising_strength": "`0.75`, with hires `0.7`",
    },
    EvaluateSettings: {"samples": "recipe's", "held_out": "a quarter"},
}

CLI_INTRODUCTION = """\
Exit codes: 0 done, 1 failed while working, 2 the input is wrong (one line says what was found, what was wanted and what
to do), 130 interrupted, with the work saved. With `--json`, stdout carries one JSON object and everything for people
goes to stderr. `RETRATO_HOME` names the folder where embeddings, runs and pictures are kept."""

REST_INTRODUCTION = """\
What the [server](server.md) can be asked, from its own OpenAPI document (`/openapi.json`; `/docs` shows it in a
browser). Bodies and answers are JSON unless something else is said. What is wrong is answered with 4xx, what failed
with 500, as `application/problem+json` with one sentence in `detail`. Where others may come in (`--listen`), name and
password go along as HTTP Basic, or the printed token as `Authorization: Bearer`. A dash as default means that the
field must be given."""

# The parts of the page, by the tags of the endpoints.
REST_PARTS = {
    "jobs": ("Jobs", "Whatever takes time is a job: settings in, an id out, events until it is over."),
    "pictures": ("Pictures", "What was drawn, and pictures to draw over."),
    "people": ("People, photos and models", "Who can be drawn, what can be learned from, and on what."),
    "sdapi": ("A1111's API", "The endpoints of A1111 1.10; what differs stands in [the server](server.md#a1111s-api)."),
}


def settings_page() -> str:
    """Gives docs/settings.md: a table for each kind of settings, and those of the recipes."""
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
    parts += ["## Recipes", RECIPES_INTRODUCTION, _recipe_table(RECIPES)]
    parts += [HYPERNETWORK_RECIPES_INTRODUCTION, _recipe_table(HYPERNETWORK_RECIPES)]
    return "\n\n".join(parts) + "\n"


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


def rest_page() -> str:
    """Gives docs/rest.md: every endpoint with its parameters, and every body and answer with its fields."""
    document = _openapi()
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    by_tag: dict[str, list[str]] = {tag: [] for tag in REST_PARTS}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            by_tag[said["tags"][0]].append(_endpoint(method.upper(), path, said))
    parts = ["# REST", NOTE, REST_INTRODUCTION]
    for tag, endpoints in by_tag.items():
        title, introduction = REST_PARTS[tag]
        parts += [f"## {title}", introduction, *endpoints]
    parts += ["## Bodies and answers", "In the order of the alphabet; settings have [their own page](settings.md)."]
    for name, schema in sorted(schemas.items()):
        if _has_own_heading(name):
            parts += [f"### {name}", _cell(schema.get("description")), _fields_table(schema)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _openapi() -> Mapping[str, Any]:
    """Gives the server's document; a server is made for it, in a folder that is thrown away, and never started."""
    from retrato.server import create_app
    from retrato.studio import Studio

    with tempfile.TemporaryDirectory(prefix="retrato-docs-") as home:
        app = create_app(Studio.open("mini", home=home), ServerSettings())
        app.state.service.close()
        document: Mapping[str, Any] = app.openapi()
        return document


def _endpoint(method: str, path: str, said: Mapping[str, Any]) -> str:
    rows = []
    for each in said.get("parameters", []):
        default = "-" if each.get("required") else json.dumps(each["schema"].get("default"))
        meaning = each.get("description") or each["schema"].get("description", "")
        rows.append((f"`{each['name']}`", each["in"], _kind(each["schema"]), default, _cell(meaning)))
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = [
        f"{status} {kind}" for status, answer in said["responses"].items() if status < "4" for kind in _answer(answer)
    ]
    lines = [f"### {method} {path}", said.get("description") or said.get("summary", "")]
    if rows:
        lines.append(_table(("parameter", "in", "values", "default", "meaning"), rows))
    if body:
        lines.append(f"Body: {_kind(body)}.")
    return "\n\n".join([*lines, f"Answer: {'; '.join(answers)}."])


def _answer(answer: Mapping[str, Any]) -> Iterator[str]:
    """Gives what an answer holds."""
    for kind, content in answer.get("content", {"": {}}).items():
        schema = content.get("schema", {})
        if kind == "application/json":
            yield _kind(schema) if schema else "null"
        else:
            yield f"`{kind}`" if kind else "and nothing else"


def _fields_table(schema: Mapping[str, Any]) -> str:
    """Gives the table of an object's fields, empty where it has none."""
    required = schema.get("required", ())
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = "-" if name in required else f"`{json.dumps(field.get('default'), ensure_ascii=False)}`"
        rows.append((f"`{name}`", _kind(field), default, _cell(field.get("description"))))
    return _table(("field", "values", "default", "meaning"), rows) if rows else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """Gives what a schema takes in words, with its bounds and links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        place = "" if _has_own_heading(name) else "settings.md"
        return f"[{name}]({place}#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if "enum" in schema or "const" in schema:
        return " ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    words = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    words |= {"null": "null", "object": "object", "array": "list"}
    said = [words.get(str(schema.get("type")), "anything")]
    said += [f"of {_kind(schema['items'])}"] if schema.get("items") else []
    bounds = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    bounds |= {"maxLength": "of at most {} characters", "maxItems": "(at most {})", "pattern": "like `{}`"}
    limits = {key: _number(schema[key]) for key in bounds if schema.get(key, 2**63) not in (2**63, 2**63 - 1)}
    return " ".join([*said, *(bounds[key].format(limit) for key, limit in limits.items())]).replace("|", "\\|")


def _number(limit: Any) -> Any:
    return f"{limit:g}" if isinstance(limit, float) else limit


def _has_own_heading(schema: str) -> bool:
    return not schema.endswith("Settings")


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
        said = next((words[name] for of, words in UNSAID.items() if issubclass(kind, of) and name in words), None)
        is_recipes = issubclass(kind, LearnSettings) and name in Recipe.__dataclass_fields__
        return said or ("recipe's" if is_recipes else "none")
    return "none" if field.default == () else _shown(field.default)


def _recipe_table(recipes: Mapping[str, Recipe]) -> str:
    names = [name for name in Recipe.__dataclass_fields__ if name not in ("templates", "pick")]
    rows = [(f"`{name}`", *(_shown(getattr(recipe, name)) for recipe in recipes.values())) for name in names]
    rows.append(("`templates`", *(_templates(recipe) for recipe in recipes.values())))
    return _table(("choice", *(f"`{name}`" for name in recipes)), rows)


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
    if isinstance(value, tuple) and value:
        return f"`{', '.join(map(str, value))}`"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"`{value}`" if value not in ("", ()) else "empty"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


PAGES = {"settings.md": settings_page, "cli.md": cli_page, "rest.md": rest_page}


def main() -> None:
    """Writes all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
