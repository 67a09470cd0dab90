"""Command-line options: the few that many commands share, and those that are made of settings fields.

A setting is defined once, in `retrato.settings`; its flag, help, bounds and default on the command line follow from it.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from retrato.errors import SettingsError
from retrato.files import WINDOWS, quoted
from retrato.settings import Settings

MOST_PROCESSES = 61 if WINDOWS else 64  # Windows can wait for no more at once

Json = Annotated[bool, typer.Option("--json", help="print one JSON object to stdout, everything else to stderr")]
Model = Annotated[
    str, typer.Option("--model", help="the frozen base model: mini, a name, a diffusers folder, .safetensors or .ckpt")
]
Family = Annotated[
    str,
    typer.Option("--family", help="what a checkpoint file is, if it does not say: sd1, sd2, xl, sd2-v, ..."),
]
Vae = Annotated[Path | None, typer.Option("--vae", help="another VAE for the model: a file, or a diffusers folder")]
ScorerSource = Annotated[
    str | None,
    typer.Option(
        "--scorer",
        help="what scores pictures, if not the model's own: a model that brings a scorer, a CLIP folder, or what "
        "`models fetch` downloaded",
        metavar="SCORER",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", help="where to compute: auto, cpu, cuda, cuda:1, mps or xpu")]
Dtype = Annotated[str, typer.Option("--dtype", help="number format of the U-Net: auto, float32, bfloat16 or float16")]
Processes = Annotated[
    int,
    typer.Option(
        "--processes", min=0, max=MOST_PROCESSES, help="photos worked on at once; 0: as many as there are cores"
    ),
]
PhotoFolder = Annotated[Path, typer.Argument(help="the folder of photos", metavar="PHOTOS", show_default=False)]


def from_settings(
    kind: type[Settings],
    *,
    arguments: tuple[str, ...] = (),
    base: tuple[str, Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]] | None = None,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a decorator that replaces a command's parameter `settings` by one option for each field of `kind`.

    Fields in `arguments` become positional; `defaults` are the command's own. The command itself is called with the
    settings, validated, and, where it wants them, the names of the fields that were `given`. `base` is one of its
    options, and what gives the values that this option stands for, beside those given: they hold where the command line
    says nothing. Errors about settings that were given name their flags.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters: list[inspect.Parameter] = []
        wanted = inspect.signature(command, eval_str=True).parameters
        for name, parameter in wanted.items():
            if name == "settings":
                parameters += [
                    _parameter(kind, field, field in arguments, defaults, may_lack=base is not None)
                    for field in kind.model_fields
                ]
            elif name != "given":
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

        def run(context: typer.Context, **values: Any) -> None:
            chosen = {name: values.pop(name) for name in kind.model_fields}
            given = frozenset(name for name in chosen if _is_given(context, name))
            if base is not None and values[base[0]] is not None:
                asked = {name: chosen[name] for name in given}
                chosen = {**base[1](values[base[0]], asked), **asked}
            elif base is not None:
                _require(context, kind, chosen)
            if "given" in wanted:
                values["given"] = given
            with _errors_naming({name: flag_of(kind, name) for name in given - {*arguments}}):
                command(settings=kind(**chosen), **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def model_flags(model: str, family: str = "auto", vae: Path | None = None) -> str:
    """Gives what another command must be told to take the same model, as text behind it; nothing for the default."""
    chosen = {"model": (model, "mini"), "family": (family, "auto"), "vae": (str(vae or ""), "")}
    return "".join(f" --{flag} {quoted(said)}" for flag, (said, default) in chosen.items() if said != default)


def flag_of(kind: type[Settings], name: str) -> str:
    """Gives what the field `name` is called on the command line."""
    extra = kind.model_fields[name].json_schema_extra
    own = extra.get("flag") if isinstance(extra, dict) else None
    return str(own or f"--{name.replace('_', '-')}")


@contextmanager
def _errors_naming(flags: Mapping[str, str]) -> Iterator[None]:
    """While open, a SettingsError whose sentences begin with a setting among `flags` says its flag instead."""
    try:
        yield
    except SettingsError as error:
        names = re.compile(r"(?:^|(?<=; ))\w+|(?<= and )\w+(?=( \w+)? were given)")
        raise SettingsError(
            names.sub(lambda name: flags.get(name[0], name[0]), str(error)), field=error.field
        ) from error


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def _require(context: typer.Context, kind: type[Settings], chosen: Mapping[str, Any]) -> None:
    """Raises SettingsError for a field that must be given and was not."""
    for name, field in kind.model_fields.items():
        if field.is_required() and chosen[name] is None:
            raise SettingsError(f"{name} is missing: give it, see `{context.command_path} --help`")


def _parameter(
    kind: type[Settings], name: str, is_argument: bool, defaults: Mapping[str, object], *, may_lack: bool = False
) -> inspect.Parameter:
    """Gives the command-line parameter for the field `name`; `may_lack` one that must be given otherwise."""
    field = kind.model_fields[name]
    help_text = escape(f"{field.description}{_bounds(field)}")
    flag = flag_of(kind, name)
    if field.default is True:  # else nothing would switch it off
        flag += f"/--no-{flag.removeprefix('--')}"
    how: Any = typer.Argument(help=help_text, show_default=False) if is_argument else typer.Option(flag, help=help_text)
    annotation: Any = field.annotation
    if get_origin(annotation) is tuple:  # typer takes an option several times for a list only
        annotation = list[get_args(annotation)[0]]  # type: ignore[misc]
    default = inspect.Parameter.empty if field.is_required() else field.default
    if field.is_required() and may_lack:
        annotation, default = annotation | None, None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=defaults.get(name, default),
        annotation=Annotated[annotation, how],
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
