"""`retrato samplers`: which there are. Imports nothing that computes, so the list is there at once."""

from retrato.cli.options import Json
from retrato.cli.screen import Screen
from retrato.sampling import SAMPLERS


def samplers(json: Json = False) -> None:
    """Lists the samplers, A1111's names, and the noise schedules that each one takes."""
    screen = Screen(json)
    rows = [{"name": each.name, "schedules": each.schedules, "automatic": each.automatic} for each in SAMPLERS.values()]
    screen.table(("sampler", "schedules"), [(each.name, ", ".join(each.schedules)) for each in SAMPLERS.values()])
    screen.finish({"samplers": rows})
