"""Plain sentences about a set of photos as a whole: what to add, what to drop, what could not be told.

Knows the figures of the photos, not the photos.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from retrato.photos.framing import Framing
from retrato.photos.measure import Border

ADVISED, ENOUGH = 20, 10
WANTED: dict[Framing, int] = {"full": 3, "half": 5, "close": 12}
_CALLED: dict[Framing, str] = {"full": "full-body", "half": "half-body", "close": "close-up"}
_ALIKE = 40.0  # of 255, in any channel: backgrounds that the eye calls the same


def set_advice(
    framings: Sequence[Framing | None], borders: Sequence[Border], *, doubtful: Sequence[str], refused: Sequence[str]
) -> list[str]:
    """Gives sentences, the most important first; none for a set that follows the advice.

    `framings` and `borders` are those of the usable photos, in the same order; the others are file names.
    """
    sentences = []
    if refused:
        sentences.append(f"{_listed(refused)} cannot be used: replace or remove {_them(refused)}.")
    if doubtful:
        sentences.append(f"Look at {_listed(doubtful)}: drop or replace what does not show the person well.")
    if len(framings) < ENOUGH:
        sentences.append(f"{len(framings)} usable photos are few: about {ADVISED} give a better likeness.")
    return sentences + _about_backgrounds(borders) + _about_framing(framings)


def _about_backgrounds(borders: Sequence[Border]) -> list[str]:
    """Warns when most photos have one background colour, which would be learned as a part of the person."""
    if len(borders) < 3:
        return []
    colours = np.array([each.colour for each in borders])
    near = np.abs(colours[:, None] - colours[None]).max(axis=2) <= _ALIKE
    most = int(near.sum(axis=1).argmax())
    count = int(near[most].sum())
    if count <= 0.6 * len(borders):
        return []
    hue = "#{:02x}{:02x}{:02x}".format(*(round(value) for value in colours[near[most]].mean(axis=0)))
    return [f"{count} of {len(borders)} photos have about the same background ({hue}): add some in other places."]


def _about_framing(framings: Sequence[Framing | None]) -> list[str]:
    """Compares with 3 full, 5 half and 12 close, scaled to the number of photos, if most of them could be told."""
    known = Counter(each for each in framings if each is not None)
    unknown = len(framings) - known.total()
    if not framings:
        return []
    if unknown > len(framings) / 2:
        return [
            f"How much of the person {unknown} of {len(framings)} photos show could not be told without a face finder: "
            f"see to it that of {ADVISED} about 3 show all of the body, 5 half of it and 12 the face."
        ]
    wanted = {kind: count * known.total() / ADVISED for kind, count in WANTED.items()}
    missing = [_CALLED[kind] for kind in WANTED if known[kind] < wanted[kind] / 2]
    if not missing:
        return []
    found = ", ".join(f"{known[kind]} {_CALLED[kind]}" for kind in WANTED)
    return [f"Add {' and '.join(missing)} photos: found {found}; of {ADVISED}, 3, 5 and 12 are a good mix."]


def _listed(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
