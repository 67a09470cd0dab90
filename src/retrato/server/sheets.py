"""The axes of a comparison sheet as a request says them: read and tried out before they wait in the queue."""

import csv
import io
from collections.abc import Sequence

from retrato.errors import SettingsError
from retrato.generation import parse_axis, require_sheet
from retrato.server.service import Service
from retrato.settings import GenerateSettings

CHECKPOINT = "Embedding checkpoint"


def check_axes(service: Service, settings: GenerateSettings, said: Sequence[str]) -> list[str]:
    """Gives the axes as `order_grid` takes them; `said` are at least one of `Name=values`, as `parse_axis` reads them.

    Checkpoints are named and become files of the home folder. Raises SettingsError for axes that are none and for
    values that do not fit `settings`.
    """
    if settings.matrix != "off" and len(said) > 1:
        raise SettingsError("a prompt matrix takes both sides of the sheet: give one axis at most, for further tables")
    texts = [_inside(service, text) for text in said]
    axes = [parse_axis(text) for text in texts]
    for axis in axes:
        for change in axis.changes if axis.rank == 0 else ():  # of later ones, what they change is not there yet
            change((settings, {}))
    require_sheet(axes)
    return texts


def _inside(service: Service, text: str) -> str:
    """Gives the axis as it is written; checkpoints, which are files, only as those of the home folder."""
    axis, _, values = text.partition("=")
    if axis.strip().casefold() != CHECKPOINT.casefold():
        return text
    known = service.learned_files()
    paths = []
    for name in next(csv.reader([values], skipinitialspace=True), []):
        if name.strip() not in known:
            there = ", ".join(list(known)[:12]) or "none yet: train somebody first"
            raise SettingsError(f"there is no checkpoint {name.strip()[:80]!r}: there are {there}")
        paths.append(str(known[name.strip()]))
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(paths)
    return f"{CHECKPOINT}={line.getvalue()}"
