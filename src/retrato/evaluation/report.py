"""The page and the record of an evaluation: a table, the curves, the pictures. Knows nothing of how it was measured."""

import json
import statistics as plain_statistics
from collections.abc import Sequence
from typing import Literal

from retrato.evaluation.measured import Compared, Measured, Point, Summary
from retrato.files import write_atomic
from retrato.markup import Html, tag
from retrato.plain import plain
from retrato.training.report.curves import Series, chart
from retrato.training.report.page import counted, paragraph, seconds_in_words, section, write_page
from retrato.training.report.prints import Print, strip

SHOWN = 8  # pictures of each training
ENOUGH = 8  # people; the protocol wants so many for a claim
TONES: tuple[Literal["first", "second", "third", "faint"], ...] = ("first", "second", "third", "faint")


def rows(compared: Compared) -> list[tuple[str, ...]]:
    """Gives the table: the head, then a line for each recipe; a dash where nothing was measured."""
    head = ("recipe", "identity", "prompt", "harmonic", "satisfied", "rank-1", "area", "regret", "samples", "seconds",
            "pick", "to quality", "failed")  # fmt: skip
    return [head, *(_row(one) for one in compared.summaries)]


def write_evaluation(compared: Compared) -> None:
    """Writes `evaluation.json` and `evaluation.html`."""
    write_atomic(compared.record, json.dumps(plain(compared), indent=1, allow_nan=False) + "\n")
    people = counted(len(compared.people), "person") if len(compared.people) == 1 else f"{len(compared.people)} people"
    parts = [
        tag("header", tag("div", tag("h1", "Evaluation"), paragraph(_lede(compared, people), "lede"), class_="title")),
        section("The figures", _table(rows(compared)), *(paragraph(text, "note") for text in notes(compared))),
        _curves(compared),
        section("Everyone", _table(_everyone(compared.measured))),
        *(_pictures(one) for one in compared.measured),
    ]
    signature = f"{compared.facts['model']} {compared.facts['model_hash']} · {compared.facts['device']}"
    write_page(compared.report, "retrato: evaluation", parts, signature)


def notes(compared: Compared) -> list[str]:
    """Gives what must be known to read the table, in sentences."""
    found = [
        "Identity 0 is anybody, 1 is as alike as the person's photos are to each other; prompt 1 is as obedient as the "
        "class word. In brackets: 95 % intervals, over people and prompts.",
        f"Judged by {compared.judge}, on photos that neither trained nor picked.",
        f"To quality: samples, median, until {_share(compared)} of the likeness of {compared.reference} is reached, "
        "with a prompt fidelity no lower; and how many trainings reach it.",
        "Seconds are those of training, pick those of comparing checkpoints, which come on top.",
    ]
    found += [
        f"At equal likeness: at the checkpoint or weight where it is at least as alike as {compared.reference} in the "
        f"end, {one.recipe} obeys prompts {one.at_equal_likeness:.2f} times as well ({one.as_alike} of {one.trainings} "
        "trainings are)."
        for one in compared.summaries
        if one.at_equal_likeness is not None
    ]
    if len(compared.people) == 1:
        found.append("One person is an illustration and no proof: the intervals hold for this person only.")
    elif len(compared.people) < ENOUGH:
        found.append(f"{len(compared.people)} people are few: their intervals are as wide as Student's t makes them.")
    if alike := list(dict.fromkeys(one.person for one in compared.measured if not one.is_told_apart)):
        found.append(
            f"The judge can hardly tell {' and '.join(alike)} from anybody: their identity says nothing "
            "(evaluation.json has the raw cosines, anybody and themselves)."
        )
    if compared.class_word_rank1 is not None:
        found.append(f"Rank-1 of the class word, which is chance: {compared.class_word_rank1:.2f}.")
    found += [
        f"{one.recipe} minus {compared.summaries[0].recipe}: "
        + ", ".join(
            f"{_called(name)} {middle:+.2f} ({low:+.2f} to {high:+.2f})"
            for name, (middle, low, high) in one.difference.items()
        )
        + "."
        for one in compared.summaries
        if one.difference
    ]
    return found


def _share(compared: Compared) -> str:
    settings = compared.facts["settings"]
    assert isinstance(settings, dict)
    return f"{settings['quality']:.0%}"


def _called(name: str) -> str:
    return name.replace("_", " ")


def _row(one: Summary) -> tuple[str, ...]:
    scores = [
        f"{one.scores[name]:.2f} ({one.intervals[name][0]:.2f} to {one.intervals[name][1]:.2f})" for name in one.scores
    ]
    reached = "-" if one.reached is None else f"{one.to_quality.get('samples', 0):.0f}; {one.reached}/{one.trainings}"
    if one.reached == 0:
        reached = f"never; 0/{one.trainings}"
    return (
        one.recipe,
        *scores,
        _figure(one.satisfied),
        _figure(one.rank1),
        _figure(one.area),
        _figure(one.regret, 3),
        f"{one.samples:.0f}",
        f"{one.seconds:.0f}",
        f"{one.pick_seconds:.0f}",
        reached,
        f"{len(one.failed)}",
    )


def _figure(value: float | None, decimals: int = 2) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _everyone(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    head = ("person", "recipe", "seed", "identity", "prompt", "harmonic", "rank-1", "identity at prompt 0.9", "closest",
            "picked at", "samples")  # fmt: skip
    body = [
        (
            one.person,
            one.recipe,
            f"{one.seed}",
            *(f"{one.scores[name]:.2f}" for name in one.scores),
            _figure(one.rank1),
            _figure(one.obedient),
            f"{one.closest:.2f}",
            f"{one.picked_samples}",
            f"{one.samples}",
        )
        for one in measured
    ]
    return [head, *body]


def _table(lines: Sequence[tuple[str, ...]]) -> Html:
    head = tag("tr", *(tag("th", cell) for cell in lines[0]))
    body = [tag("tr", *(tag("td", cell) for cell in line)) for line in lines[1:]]
    return tag("div", tag("table", head, *body), class_="scrolls")


def _curves(compared: Compared) -> Html:
    """Gives the curves of each recipe, means over all its trainings; nothing after a quick evaluation."""
    if not any(one.weights for one in compared.measured):
        return Html()
    learning, editing = [], []
    for tone, summary in zip(TONES, compared.summaries, strict=False):
        own = [one for one in compared.measured if one.recipe == summary.recipe]
        points = _mean_points([one.learning for one in own])
        learning.append(Series(summary.recipe, [(one.at, one.scores["harmonic"]) for one in points], tone))
        weights = _mean_points([one.weights for one in own])
        along = [(max(0.0, one.scores["prompt_fidelity"]), one.scores["identity"]) for one in weights]
        editing.append(Series(summary.recipe, along, tone))
    return section(
        "The curves",
        tag(
            "div",
            chart(
                "Quality over samples", learning, y_label="harmonic", x_label="samples",
                note="Each checkpoint drawn anew, the mean of those trainings that have one there.",
            ),
            chart(
                "Editability", editing, y_label="identity", x_label="prompt fidelity",
                note="The name weighs 0.6, 0.8, 1, 1.2 and 1.4 in the prompt. Up and to the right is better.",
            ),
            class_="charts",
        ),
    )  # fmt: skip


def _mean_points(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """Gives the mean scores at each place that any of the curves has a point at."""
    places: dict[float, list[Point]] = {}
    for point in (point for curve in curves for point in curve):
        places.setdefault(point.at, []).append(point)
    return [
        Point(
            at,
            plain_statistics.mean(each.seconds for each in found),
            {name: plain_statistics.mean(each.scores[name] for each in found) for name in found[0].scores},
        )
        for at, found in sorted(places.items())
    ]


def _pictures(one: Measured) -> Html:
    prints = [Print(file, f"{one.person}, drawn") for file in one.pictures[:SHOWN]]
    return section(f"{one.person}, {one.recipe}, seed {one.seed}", strip(prints, "wall"))


def _lede(compared: Compared, people: str) -> str:
    pictures = compared.facts["pictures_judged"]
    return (
        f"{people}, {counted(len(compared.measured), 'training')}, {pictures} pictures judged of each, in "
        f"{seconds_in_words(compared.seconds)} on {compared.facts['model']}."
    )
