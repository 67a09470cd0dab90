"""Command-line options: the few that many commands share, and those that are made of settings fields.

A setting is defined once, in `retrato.settings`; its flag, help, bounds and default on the command line follow from it.
"""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from retrato.errors import SettingsError
from retrato.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="print one JSON object to stdout, everything else to stderr")]
Model = Annotated[str, typer.Option("--model", help="the frozen base model: mini, or a folder in diffusers layout")]
Device = Annotated[str, typer.Option("--device", help="where to compute: auto, cpu, cuda, cuda:1 or mps")]
Dtype = Annotated[str, typer.Option("--dtype", help="number format of the U-Net: auto, float32, bfloat16 or float16")]
Processes = Annotated[
    int, typer.Option("--processes", min=0, max=64, help="photos worked on at once; 0: as many as there are cores")
]
PhotoFolder = Annotated[Path, typer.Argument(help="the folder of photos", metavar="PHOTOS", show_default=False)]


def from_settings(
    kind: type[Settings], *, arguments: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a decorator that replaces a command's parameter `settings` by one option for each field of `kind`.

    Fields in `arguments` become positional. The command itself is called with the settings, validated.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
            if name == "settings":
                parameters += [_parameter(*field, field[0] in arguments) for field in kind.model_fields.items()]
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        def run(**values: Any) -> None:
            chosen = {name: values.pop(name) for name in kind.model_fields}
            command(settings=kind(**chosen), **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def parse_size(text: str) -> tuple[int, int]:
    """Gives (width, height) of a text such as `512x768`; raises SettingsError."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", text)
    if not found:
        raise SettingsError(f"size is {text!r}: write width and height in pixels, such as 512x768")
    return int(found[1]), int(found[2])


def _parameter(name: str, field: FieldInfo, is_argument: bool) -> inspect.Parameter:
    """Gives the command-line parameter for a settings field."""
    help_text = escape(f"{field.description}{_bounds(field)}")
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    flag = str(extra.get("flag") or f"--{name.replace('_', '-')}")
    how: Any = typer.Argument(help=help_text, show_default=False) if is_argument else typer.Option(flag, help=help_text)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.is_required() else field.default,
        annotation=Annotated[field.annotation, how],
    )


def _bounds(field: FieldInfo) -> str:
    """Gives ` (1 to 75)`, ` (from 0)`, ` (above 0)` or nothing; lengths of texts go without saying."""
    found = {
        name: getattr(bound, name) for bound in field.metadata for name in ("ge", "le", "gt") if hasattr(bound, name)
    }
    if found.get("le", 0) >= 2**31:  # a limit of the number format, nobody's choice
        del found["le"]
    if "ge" in found and "le" in found:
        return f" ({found['ge']} to {found['le']})"
    return f" (from {found['ge']})" if "ge" in found else f" (above {found['gt']})" if "gt" in found else ""
