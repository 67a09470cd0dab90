"""Sums up what was measured: means, intervals, samples to quality, differences between recipes. No models, no files."""

import statistics as plain_statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from retrato.evaluation.measured import Compared, Measured, Summary
from retrato.evaluation.statistics import SCORES, interval, over_people
from retrato.settings import EvaluateSettings

FAILED_BELOW = 0.2  # identity


def compare(
    *,
    people: tuple[str, ...],
    measured: tuple[Measured, ...],
    resampled: tuple[Tensor, ...],
    settings: EvaluateSettings,
    class_word_rank1: float | None,
    judge: str,
    facts: Mapping[str, object],
    out: Path,
    seconds: float,
) -> Compared:
    """Gives everything in one; `resampled` holds the scores [draws, 3] of each of `measured`."""
    names = settings.contenders
    reference = "a1111" if "a1111" in names else names[0]
    draws: dict[str, Tensor] = {recipe: _draws(recipe, measured, resampled, settings.seed) for recipe in names}
    target = _targets(reference, measured)
    first = _means(names[0], measured)
    summaries = [
        _summary(recipe, measured, draws, target, settings, reference, first if recipe != names[0] else None)
        for recipe in names
    ]
    return Compared(
        people=people,
        measured=measured,
        summaries=tuple(summaries),
        class_word_rank1=class_word_rank1,
        judge=judge,
        reference=reference,
        facts=facts,
        report=out / "evaluation.html",
        record=out / "evaluation.json",
        seconds=seconds,
    )


def _draws(recipe: str, measured: Sequence[Measured], resampled: Sequence[Tensor], seed: int) -> Tensor:
    by_person: dict[str, list[Tensor]] = {}
    for one, values in zip(measured, resampled, strict=True):
        if one.recipe == recipe:
            by_person.setdefault(one.person, []).append(values)
    return over_people(by_person, seed)


def _means(recipe: str, measured: Sequence[Measured]) -> dict[str, float]:
    own = [one for one in measured if one.recipe == recipe]
    return {name: plain_statistics.mean(one.scores[name] for one in own) for name in SCORES}


def _targets(reference: str, measured: Sequence[Measured]) -> dict[tuple[str, int], Mapping[str, float]]:
    """Gives the scores that the reference ended with for each (person, seed), on the pictures of its curve."""
    return {
        (one.person, one.seed): min(one.learning, key=lambda point: abs(point.at - one.picked_samples)).scores
        for one in measured
        if one.recipe == reference and one.learning
    }


def to_quality(one: Measured, target: Mapping[str, float] | None, share: float) -> tuple[float, float] | None:
    """Gives the samples and seconds at which a checkpoint first is as good as `target`, None where none is.

    As good: `share` of its identity, with a prompt fidelity that is no lower, or higher than the class word's own.
    """
    if target is None or target["identity"] <= 0:
        return None
    fidelity = min(target["prompt_fidelity"], 1.0)
    for point in one.learning:
        if point.scores["identity"] >= share * target["identity"] and point.scores["prompt_fidelity"] >= fidelity:
            return point.at, point.seconds
    return None


def at_equal_likeness(one: Measured, reference: Measured) -> float | None:
    """Gives the prompt fidelity of `one` over the reference's, each the highest where it is alike enough.

    Alike enough is what the reference is at weight 1, on the pictures of the curves; 0 where `one` obeys nothing there,
    None where it never is alike enough, or where a curve is missing or the reference obeys nothing.
    """
    level = next((point.scores["identity"] for point in reference.weights if point.at == 1.0), None)
    if level is None:
        return None
    found = [
        max(
            (
                point.scores["prompt_fidelity"]
                for point in (*each.weights, *each.learning)
                if point.scores["identity"] >= level
            ),
            default=None,
        )
        for each in (one, reference)
    ]
    own, other = found
    return max(0.0, own) / other if own is not None and other is not None and other > 0 else None


def _summary(
    recipe: str,
    measured: Sequence[Measured],
    draws: Mapping[str, Tensor],
    target: Mapping[tuple[str, int], Mapping[str, float]],
    settings: EvaluateSettings,
    reference: str,
    first: Mapping[str, float] | None,
) -> Summary:
    own = [one for one in measured if one.recipe == recipe]
    means = _means(recipe, measured)
    found = [to_quality(one, target.get((one.person, one.seed)), settings.quality) for one in own]
    reached = [each for each in found if each is not None]
    apart = draws[recipe] - draws[settings.contenders[0]]
    references = {(one.person, one.seed): one for one in measured if one.recipe == reference}
    as_alike = [
        ratio
        for one in own
        if recipe != reference and (ratio := at_equal_likeness(one, references[one.person, one.seed])) is not None
    ]
    return Summary(
        recipe=recipe,
        trainings=len(own),
        scores=means,
        intervals={name: interval(draws[recipe][:, at]) for at, name in enumerate(SCORES)},
        satisfied=_mean([one.satisfied for one in own]),
        rank1=_mean([one.rank1 for one in own]),
        area=_mean([one.area for one in own]),
        obedient=_mean([one.obedient for one in own]),
        regret=_mean([one.regret for one in own]),
        failed=tuple(dict.fromkeys(one.person for one in own if one.scores["identity"] < FAILED_BELOW)),
        samples=plain_statistics.mean(one.samples for one in own),
        seconds=plain_statistics.mean(one.seconds for one in own),
        pick_seconds=plain_statistics.mean(one.pick_seconds for one in own),
        reached=len(reached) if target and any(one.learning for one in own) else None,
        to_quality={
            "samples": plain_statistics.median(samples for samples, _ in reached),
            "seconds": plain_statistics.median(seconds for _, seconds in reached),
        }
        if reached
        else {},
        difference={name: (means[name] - first[name], *interval(apart[:, at])) for at, name in enumerate(SCORES)}
        if first
        else {},
        at_equal_likeness=(plain_statistics.geometric_mean(as_alike) if all(as_alike) else 0.0) if as_alike else None,
        as_alike=len(as_alike),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return plain_statistics.mean(known) if known else None
