"""A control of the page for a field of the settings: its bounds, default and description are the field's own."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin

import gradio as gr

from retrato.errors import RetratoError, SettingsError
from retrato.markup import Html
from retrato.server.web.fields import CHOICES, FIELDS, IN_TRAINING
from retrato.server.web.site import Site, label, problem
from retrato.server.web.spoken import spoken_error
from retrato.settings import LearnSettings, Settings

WIDEST_SLIDER = 200  # steps from one end to the other; more cannot be hit


def control(
    site: Site,
    kind: type[Settings],
    name: str,
    prefix: str,
    *,
    choices: Iterable[str | tuple[str, str]] | None = None,
    **look: Any,
) -> Any:
    """Gives the control for `kind.<name>` with the id `<prefix>-<name>`; `choices` makes it a list to choose from.

    A number whose default is None is a free field, where nothing means: what the model or the recipe says.
    """
    field = kind.model_fields[name]
    inner = tuple(each for each in get_args(field.annotation) if each is not NoneType)
    annotation = inner[0] if inner and get_origin(field.annotation) is not Literal else field.annotation
    default = None if field.is_required() else field.default
    look = {"label": label(site, name), "info": describe(site, kind, name), "elem_id": f"{prefix}-{name}", **look}
    if get_origin(annotation) is Literal or choices is not None:
        return gr.Dropdown(_choices(site, choices or get_args(annotation)), value=look.pop("value", default), **look)
    if annotation is bool:
        return gr.Checkbox(value=default, **look)
    if annotation in (int, float) and default is not None:
        return _number(annotation, default, _bounds(field.metadata), look)
    return gr.Textbox(value=look.pop("value", default or ""), **look)


def _choices(site: Site, values: Iterable[str | tuple[str, str]]) -> list[str | tuple[str, str]]:
    """Gives the choices, with what they are called on the page where that is something else."""
    if site.language == "en":
        return list(values)
    return [(CHOICES[each], each) if isinstance(each, str) and each in CHOICES else each for each in values]


def describe(site: Site, kind: type[Settings], name: str) -> str:
    """Gives a field's description: the settings' own in English, the table's in other languages."""
    if site.language == "en":
        return str(kind.model_fields[name].description)
    return IN_TRAINING[name] if issubclass(kind, LearnSettings) and name in IN_TRAINING else FIELDS[name][2]


def settings_of(kind: type[Settings], names: Iterable[str], values: Iterable[object]) -> Any:
    """Gives the settings that the controls say; what is left empty is left to the default. Raises SettingsError."""
    said = {name: value for name, value in zip(names, values, strict=True) if value not in (None, "")}
    for name, field in kind.model_fields.items():
        if field.is_required() and not str(said.get(name, "")).strip():
            raise SettingsError(f"{name} is empty: say {field.description}", field=name)
    return kind(**said)


def problem_of(
    site: Site, error: Exception, prefix: str, places: Mapping[type[RetratoError], str] = MappingProxyType({})
) -> Html:
    """Gives an error for the page, by the control of the field that it is about, else by that of its kind in `places`.

    Any other stays where the page puts it, which is by the button that was pressed.
    """
    field = _field_of(error) or next((places[kind] for kind in places if type(error) is kind), None)
    return problem(f"{prefix}-{field}" if field else None, spoken_error(site, error))


def _field_of(error: Exception) -> str:
    """Gives the field that an error is about, empty where that is not known.

    The library's own sentences about settings begin with the setting; other errors begin with anything, be it a person
    who is called `steps`.
    """
    if not isinstance(error, SettingsError):
        return ""
    first = str(error).split(" ", 1)[0]
    return error.field or (first if first in FIELDS else "")


def _bounds(metadata: Iterable[object]) -> Mapping[str, float]:
    return {
        name: getattr(bound, name) for bound in metadata for name in ("ge", "le", "multiple_of") if hasattr(bound, name)
    }


def _number(annotation: Any, default: float, bounds: Mapping[str, float], look: dict[str, Any]) -> Any:
    step = bounds.get("multiple_of", 1 if annotation is int else 0.01)
    if "le" in bounds and (bounds["le"] - bounds["ge"]) / step <= WIDEST_SLIDER:
        value = look.pop("value", default)
        return gr.Slider(bounds["ge"], bounds["le"], value=value, step=step, buttons=[], **look)
    precision = 0 if annotation is int else None
    return gr.Number(value=look.pop("value", default), precision=precision, step=step, **look)
