"""Plain sentences about a set of photos as a whole: what to add, what to drop, what could not be told.

Knows the figures of the photos, not the photos.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrato.photos.framing import Framing
from retrato.photos.measure import Border, Colour, Light

ADVISED, ENOUGH, MANY = 20, 10, 60
WANTED: dict[Framing, int] = {"full": 3, "half": 5, "close": 12}
_CALLED: dict[Framing, str] = {"full": "full-body", "half": "half-body", "close": "close-up"}
_ALIKE = 40.0  # of 255, in any channel: colours that the eye calls the same
_TURNED, _SAME_WAY = 0.08, 0.75  # a face turned to one side, see `Face.turn`; which share of the faces is nearly all
_SAME_LUMA, _SAME_WARMTH = 10.0, 0.05  # standard deviations over a set taken in one place at one time, and less


@dataclass(frozen=True, slots=True)
class Figures:
    """What advice wants to know about one usable photo; None where it could not be told.

    `border` is None too where a mask takes the background out of training.
    """

    framing: Framing | None
    border: Border | None
    light: Light
    clothes: Colour | None = None
    turn: float | None = None


def set_advice(photos: Sequence[Figures], *, doubtful: Sequence[str], refused: Sequence[str]) -> list[str]:
    """Gives sentences, the most important first; none for a set that follows the advice.

    `photos` are the figures of the usable ones; the others are file names.
    """
    sentences = []
    if refused:
        sentences.append(f"{_listed(refused)} cannot be used: replace or remove {_them(refused)}.")
    if doubtful:
        sentences.append(f"Look at {_listed(doubtful)}: drop or replace what does not show the person well.")
    if len(photos) < ENOUGH:
        sentences.append(f"{len(photos)} usable photos are few: about {ADVISED} give a better likeness.")
    elif len(photos) > MANY:
        sentences.append(f"{len(photos)} photos are many: the best {ADVISED} of them teach as much and take less time.")
    grounds = [photo.border.colour for photo in photos if photo.border is not None]
    sentences += _about_sameness(grounds, "have about the same background", "places")
    known = [photo.clothes for photo in photos if photo.clothes is not None]
    sentences += _about_sameness(known, "show clothes of about the same colour", "clothes")
    sentences += _about_framing([photo.framing for photo in photos])
    return sentences + _about_poses(photos) + _about_light(photos)


def _about_sameness(found: Sequence[Colour], what: str, other: str) -> list[str]:
    """Warns when most photos have one colour there, which would be learned as a part of the person."""
    if len(found) < 4:
        return []
    colours = np.array(found)
    near = np.abs(colours[:, None] - colours[None]).max(axis=2) <= _ALIKE
    most = int(near.sum(axis=1).argmax())
    count = int(near[most].sum())
    if count <= 0.6 * len(found):
        return []
    hue = "#{:02x}{:02x}{:02x}".format(*(round(value) for value in colours[near[most]].mean(axis=0)))
    return [
        f"{count} of {len(found)} photos {what} ({hue}): add some in other {other}, or it becomes part of the person."
    ]


def _about_poses(photos: Sequence[Figures]) -> list[str]:
    """Warns when nearly all faces look to the front or to one side, if enough of them were found."""
    ways = [0 if abs(each.turn) < _TURNED else np.sign(each.turn) for each in photos if each.turn is not None]
    most = max(Counter(ways).values(), default=0)
    if len(ways) < 5 or most < _SAME_WAY * len(ways):
        return []
    how_many = f"All {most}" if most == len(ways) else f"{most} of {len(ways)}"
    return [f"{how_many} faces look the same way: add some turned to either side."]


def _about_light(photos: Sequence[Figures]) -> list[str]:
    if len(photos) < 5:
        return []
    luma = np.array([photo.light.luma for photo in photos])
    warmth = np.array([photo.light.warmth for photo in photos])
    if luma.std() > _SAME_LUMA or warmth.std() > _SAME_WARMTH:
        return []
    return ["All photos are lit much alike: add some in other light, indoors and out, by day and by lamp."]


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
