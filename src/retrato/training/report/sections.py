"""What a report says about a run, section by section; every figure comes from the run's own record.

Knows no files other than the pictures it shows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrato.markup import Html, tag, with_code
from retrato.model.companions import FETCH_SCORER
from retrato.training.events import Candidate
from retrato.training.report.curves import Point, Series, chart
from retrato.training.report.page import counted, paragraph, quoted, seconds_in_words, section, sentence
from retrato.training.report.prints import Print, figure, strip
from retrato.training.report.record import RunRecord

SMOOTHED_OVER = 20  # steps


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pictures of one prompt: `pairs` of (class word, person), each drawn from one seed."""

    title: str
    prompt: str
    pairs: tuple[tuple[Print, Print], ...]


def hero(record: RunRecord, heading: str, lede: str, prints: Sequence[Print]) -> Html:
    """Gives the opening: the portraits, what happened in a sentence, the figures that matter."""
    held_out = f" + {record.held_out} held out" if record.held_out else ""
    trained = len(record.photos) - record.held_out
    facts = [
        ("Learned from", f"{counted(trained, 'photo')}{held_out}"),
        ("Training", f"{record.steps_run} steps, {seconds_in_words(record.times['train'])}"),
        ("Kept", which(record.picked)),
        (
            "Likeness",
            f"{record.picked.scores['identity']:.2f}, the photos being 1" if record.is_scored else "not scored",
        ),
        ("Altogether", seconds_in_words(sum(record.times.values()))),
        ("Weighs", f"{_numbers(record)} numbers{_file_size(record.file)}"),
    ]
    listed = [tag("div", tag("dt", term), tag("dd", value)) for term, value in facts]
    wall = strip(prints, f"wall of-{len(prints)}") if prints else ""
    title = tag("div", tag("h1", heading), paragraph(lede, "lede"), class_="title")
    return tag("header", title, wall, tag("dl", *listed, class_="facts"))


def contact_sheet(record: RunRecord) -> Html:
    """Gives all photos as numbered frames; those held out are marked."""
    frames = [
        Print(
            photo.file,
            f"photo {number}{', held out' if photo.held_out else ''}",
            caption=f"{number}",
            mark="held" if photo.held_out else None,
        )
        for number, photo in enumerate(record.photos, 1)
    ]
    kept_out = (
        f" Those circled in yellow, {record.held_out} of them, were kept out of training: the learning is checked "
        "against them, so that remembering a photo by heart does not count as knowing the person."
        if record.held_out
        else " None was kept out of training, so the checks below were made on photos that were also learned from."
    )
    return section(
        "The contact sheet",
        paragraph(f"{counted(len(record.photos), 'photo')} of one person.{kept_out}"),
        tag("div", strip(frames, "frames"), class_="film"),
    )


def comparisons(title: str, text: str, shown: Sequence[Comparison], words: tuple[str, str]) -> Html:
    """Gives, for each prompt, the class word's picture beside the person's; `words` are what the prompts call them."""
    before, after = words
    blocks = []
    for number, one in enumerate(shown):
        labels = words if number == 0 else ("", "")
        pairs = [
            tag(
                "div",
                *(figure(replace(each, caption=label)) for each, label in zip(pair, labels, strict=True)),
                class_="pair",
            )
            for pair in one.pairs
        ]
        head = tag("div", tag("h3", one.title), quoted(one.prompt, after), class_="about")
        blocks.append(tag("article", head, tag("div", *pairs, class_="pairs"), class_="comparison"))
    key = tag("p", "Each pair: ", tag("b", before), " on the left, ", tag("b", after), " on the right.", class_="note")
    return section(title, paragraph(text), key, *blocks)


def picked_comparisons(record: RunRecord, class_word: str) -> Html:
    """Gives the pictures that the kept candidate was compared by, beside the class word's; nothing if unscored."""
    cells = list(zip(record.class_pictures, record.picked.pictures, strict=False))
    if not cells:
        return Html()
    shown = []
    for number, prompt in enumerate(record.pick_prompts):
        own = cells[number :: len(record.pick_prompts)][:2]
        pairs = tuple(
            (Print(before, f"{class_word}: {prompt}"), Print(after, f"{record.name}: {prompt}"))
            for before, after in own
        )
        if pairs:
            shown.append(Comparison("", record.prompt(prompt), pairs))
    text = "The prompts that the candidates were compared by. Both pictures of a pair started from the same noise."
    return comparisons("The same prompts and seeds, before and after", text, shown, (class_word, record.name))


def curves(record: RunRecord) -> Html:
    """Gives the curves of likeness and loss with the kept step marked, and why training stopped."""
    kept, label = float(record.picked.step), f"kept: {record.picked.step}"
    photos = "held-out photos" if record.held_out else "photos"
    held = Series(f"loss on the {photos}", [(float(step), loss) for step, loss in record.evaluations], "first")
    steps = [(float(step), loss) for step, loss in record.losses]
    every = Series("each step", steps, "faint", "dots")
    mean = Series(f"mean of the last {SMOOTHED_OVER} steps", running_mean(steps, SMOOTHED_OVER), "first", "line")
    charts = [
        chart(f"Loss on the {photos}", [held], y_label="loss", marked=kept, mark_label=label,
              note="The same photos, noise and noise levels every time, so that the figures can be compared."),
        chart("Loss of each step", [every, mean], y_label="loss", marked=kept, mark_label=label,
              note="It jumps because every step draws other photos and other amounts of noise."),
    ]  # fmt: skip
    if record.is_scored:
        charts.insert(0, _likeness_chart(record, kept, label))
        missing: Html | str = ""
    else:
        missing = paragraph(
            with_code(
                "There is no curve of likeness: the model brings no scorer, so no pictures were compared. "
                f"`{FETCH_SCORER}` gets one for the next time."
            ),
            "note",
        )
    return section(
        "How it was learned",
        paragraph(f"Why it stopped: {sentence(record.stop_reason)}"),
        tag("div", *charts, class_="charts"),
        missing,
    )


def _likeness_chart(record: RunRecord, kept: float, label: str) -> Html:
    scored = [one for one in record.candidates if one.scores and not one.is_average]

    def over_steps(key: str) -> list[Point]:
        return [(float(one.step), one.rounds[0][key]) for one in scored]

    series = [
        Series("likeness", over_steps("identity"), "first"),
        Series("prompt fidelity", over_steps("prompt_fidelity"), "second"),
        Series("together", over_steps("harmonic"), "third"),
    ]
    average = [
        (float(one.step), one.rounds[0]["harmonic"]) for one in record.candidates if one.scores and one.is_average
    ]
    if average:
        series.append(Series("together, moving average", average, "faint", "dots"))
    first = min((one.rounds[0]["pictures"] for one in scored), default=0)
    note = (
        f"On the first {first:.0f} pictures, which all these candidates were drawn with; the strip below shows how "
        "they fared on more. What the scores mean is said below."
    )
    return chart("Likeness and obedience", series, y_label="score", marked=kept, mark_label=label, note=note)


_ROUNDS = (
    "Candidates were compared in rounds, and only the better half went on to the next: “on 6” is likeness and prompt "
    "together on six pictures. Compare figures of equally many pictures only."
)


def candidates(record: RunRecord) -> Html:
    """Gives the candidates as a strip of frames with their scores, the kept one circled, and the reason in words."""
    frames = [_candidate(record, one) for one in record.candidates]
    return section(
        "Which one was kept, and why",
        paragraph(sentence(record.pick_reason)),
        tag("div", tag("div", *frames, class_="frames candidates"), class_="film"),
        paragraph(_ROUNDS, "note") if record.is_scored else "",
    )


def _candidate(record: RunRecord, one: Candidate) -> Html:
    is_kept = one is record.picked
    source = one.pictures[0] if one.pictures else None if one.is_average else record.preview(one.step)
    name = which(one)
    shown = figure(Print(source, f"drawn with {name}", mark="kept" if is_kept else None), "print")
    rows = [("average at" if one.is_average else "step", f"{one.step}")]
    if one.scores:
        rows += [("likeness", f"{one.scores['identity']:.2f}"), ("prompt", f"{one.scores['prompt_fidelity']:.2f}")]
        rows += [(f"on {scores['pictures']:.0f}", f"{scores['harmonic']:.2f}") for scores in one.rounds]
    rows.append(("loss", f"{one.loss:.4f}" if math.isfinite(one.loss) else "none"))
    listed = [tag("div", tag("dt", term), tag("dd", value)) for term, value in rows]
    return tag("div", shown, tag("dl", *listed), class_="candidate kept" if is_kept else "candidate")


def which(candidate: Candidate) -> str:
    """Gives the candidate's name in a sentence."""
    return f"average at step {candidate.step}" if candidate.is_average else f"step {candidate.step}"


def running_mean(points: Sequence[Point], over: int) -> list[Point]:
    """Gives at each point the mean of the last `over` values, those that are no numbers left out."""
    result = []
    for end in range(over, len(points) + 1):
        values = [value for _, value in points[end - over : end] if math.isfinite(value)]
        result.append((points[end - 1][0], sum(values) / len(values) if values else math.nan))
    return result


def best_pictures(record: RunRecord, most: int = 4) -> list[Path]:
    """Gives pictures drawn with the kept candidate, of different prompts where it was scored; else its preview."""
    if record.picked.pictures:
        return list(record.picked.pictures[: min(most, len(record.pick_prompts))])
    preview = None if record.picked.is_average else record.preview(record.picked.step)
    return [preview] if preview else []


def _numbers(record: RunRecord) -> str:
    return f"{record.numbers:,}" if record.is_hypernetwork else f"{record.vectors} × {record.dim}"


def _file_size(file: Path) -> str:
    try:
        size = file.stat().st_size
        return f", {size / 1000:.1f} KB" if size < 1_000_000 else f", {size / 1_000_000:.1f} MB"
    except OSError:  # moved since
        return ""
