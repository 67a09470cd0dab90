"""The axes of a comparison sheet as a request says them: read and tried out before they wait in the queue."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from retrato.errors import SettingsError
from retrato.generation import parse_axis, require_sheet
from retrato.generation.axes import AXES, State
from retrato.server.service import Service
from retrato.settings import GenerateSettings

CHECKPOINT = "Embedding checkpoint"


def check_axes(service: Service, settings: GenerateSettings, said: Sequence[str], *, owner: str) -> list[str]:
    """Gives the axes as `order_grid` takes them; `said` are at least one of `Name=values`, as `parse_axis` reads them.

    Checkpoints (`owner`'s own), models and VAEs are named and become files of the home folder. Raises SettingsError for
    axes that are none and for values that do not fit `settings`, ModelError for models and VAEs that are not there.
    """
    if settings.matrix != "off" and len(said) > 1:
        raise SettingsError("a prompt matrix takes both sides of the sheet: give one axis at most, for further tables")
    texts = [_inside(service, text, owner) for text in said]
    axes = [parse_axis(text) for text in texts]
    for axis in axes:
        for change in axis.changes if axis.rank == 0 else ():  # of later ones, what they change is not there yet
            change(State(settings, {}))
    require_sheet(axes)
    pairs = zip(texts, axes, strict=True)  # a job that goes on has the same seeds
    return [f"{axis.name}={','.join(axis.labels)}" if AXES[axis.name].is_seed else text for text, axis in pairs]


def _inside(service: Service, text: str, owner: str) -> str:
    """Gives the axis as it is written; what names files, only as those of the home folder."""
    axis, _, values = text.partition("=")
    finds = {name.casefold(): (name, find) for name, find in FILES.items()}
    if axis.strip().casefold() not in finds:
        return text
    name, find = finds[axis.strip().casefold()]
    try:
        names = next(csv.reader([values], skipinitialspace=True), [])
    except csv.Error as error:
        raise SettingsError(f"axis {name} cannot be read ({error}): write values with commas between") from None
    paths = [find(service, each.strip(), owner) for each in names]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(paths)
    return f"{name}={line.getvalue()}"


def _checkpoint(service: Service, name: str, owner: str) -> str:
    known = service.learned_files(owner=owner)
    if name not in known:
        there = ", ".join(list(known)[:12]) or "none yet: train somebody first"
        raise SettingsError(f"there is no checkpoint {name[:80]!r}: there are {there}")
    return str(known[name])


def _model(service: Service, name: str, owner: str) -> str:
    return service.find_model(name).source


def _vae(service: Service, name: str, owner: str) -> str:
    return str(service.find_vae(name or "Automatic") or "Automatic")


# The axes whose values are files, and what finds one by its name, for whom.
FILES: Mapping[str, Callable[[Service, str, str], str]] = {
    CHECKPOINT: _checkpoint,
    "Checkpoint name": _model,
    "VAE": _vae,
}
