"""Learning-rate schedules in A1111's notation: `0.005:100, 1e-3:1000, 1e-5`.

Plain data in, plain data out. Knows nothing of optimizers, nor whether a rate is a sensible one.
"""

from collections.abc import Sequence

from retrato.errors import SettingsError

_EXAMPLE = "write a number, or pairs of rate and last step such as `0.005:100, 1e-3:1000, 1e-5`"


def parse_rate_schedule(text: str, max_steps: int, *, first_step: int = 0) -> list[tuple[float, int]]:
    """Gives the stages of a schedule as (rate, end step): a stage holds while step < end step, steps counted from 0.

    A rate alone, or with `-1`, lasts to `max_steps` and ends the list; so does an end step beyond `max_steps`, which
    is clamped. Stages that are over before `first_step` (where a resumed run goes on) are left out, empty entries too.
    If the last end step lies before `max_steps`, training stops there. Any number that Python reads is a rate here.
    Raises SettingsError for anything else. Format: A1111 1.10, `learn_schedule.py`.
    """
    stages: list[tuple[float, int]] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        rate, colon, last = entry.partition(":")
        end = _whole(last, entry) if colon else -1
        if end == -1 or end > max_steps:
            return [*stages, (_number(rate, entry), max_steps)]
        if end > first_step:
            stages.append((_number(rate, entry), end))
    if not stages:
        raise SettingsError(f"the learning rate {text!r} leaves no step to train after step {first_step}: {_EXAMPLE}")
    return stages


def rate_at(stages: Sequence[tuple[float, int]], step: int) -> float | None:
    """Gives the rate of `step` (from 0), None once the schedule is over.

    A stage whose end lies before its predecessor's holds for one step, as in A1111.
    """
    over = 0
    for rate, end in stages:
        over = max(end, over + 1)
        if step < over:
            return rate
    return None


def _number(text: str, entry: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"{entry!r} in the learning rate starts with no number: {_EXAMPLE}") from None


def _whole(text: str, entry: str) -> int:
    try:
        end = int(text)
    except ValueError:
        raise SettingsError(
            f"{entry!r} in the learning rate does not end with a whole number of steps: {_EXAMPLE}"
        ) from None
    if end < -1:
        raise SettingsError(f"{entry!r} in the learning rate ends before the first step: {_EXAMPLE}")
    return end
