import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from retrato.settings import GenerateSettings, TrainSettings
from retrato.training import Comparing, Finished, Picked, Scored, TrainingEvent, pick
from retrato.training.events import Candidate
from retrato.training.judge import Judge
from retrato.training.learnable import Subject
from retrato.training.pick import class_phrase, learning_share, near_least_loss, pictures_needed, shortlist
from retrato.training.recipes import RECIPES, resolve

from .conftest import ColourScorer


def candidates(*losses: float) -> list[Candidate]:
    return [Candidate(50 * (number + 1), Path("x.safetensors"), loss) for number, loss in enumerate(losses)]


@pytest.mark.parametrize(("bfloat16", "photos"), [(False, 1.0), (True, 1.4)])
@pytest.mark.parametrize(("steps", "pictures"), [(250, 60), (25, 27)])
def test_a_pictures_step_counts_as_long_as_it_takes_in_the_share_of_learning(
    steps: int, pictures: int, bfloat16: bool, photos: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of eight candidates and the class word, or two of them."""
    monkeypatch.setattr(pick, "uses_bfloat16", lambda *_: bfloat16)
    plan = resolve(TrainSettings(name="ana-t1", steps=steps), RECIPES["retrato"], 20)
    run = SimpleNamespace(plan=plan, components=None, latent_cells=256)
    assert learning_share(run) == pytest.approx(4 * steps / (4 * steps + photos * 12 * pictures))


def test_few_candidates_are_all_on_the_shortlist() -> None:
    assert shortlist(candidates(3.0, 2.0, math.nan), 8) == [0, 1, 2]


def test_the_shortlist_keeps_the_least_loss_and_the_last() -> None:
    many = candidates(*[1.0] * 13, 0.5, *[1.0] * 26)
    short = shortlist(many, 8)
    assert len(short) == 8
    assert short == sorted(set(short))
    assert {13, 39} <= set(short)
    assert max(after - before for before, after in itertools.pairwise(short)) <= 12


@pytest.mark.parametrize(
    ("losses", "near"),
    [
        ((0.1404, 0.1296, 0.1277, 0.1259, 0.1247, 0.1258, 0.1232, 0.1222, 0.1212, 0.1209), [4, 6, 7, 8, 9]),
        ((2.0, 1.0, 1.2, 1.3), [1, 2]),
        ((1.0, 1.0), [0, 1]),
        ((math.nan, 2.0, 1.0), [2]),
        ((2.0, math.nan, math.nan, 1.0), [2, 3]),  # each counts with the nearest one
        ((2.0, math.nan, 1.0, math.nan), [2, 3]),
        ((math.nan, math.inf), [0, 1]),
        ((1.0,), [0]),
        ((2.0, 1.0, 1.8, 1.9, 1.0, 1.7), [1, 2, 3, 4, 5]),  # it jumps more often than not
        ((2.0, 1.0, 1.8, 1.9, 1.0), [1, 4]),
        ((2.0, 1.0, 1.8, 1.9, math.inf, 1.7), [1, 2, 3, 5]),
    ],
)
def test_who_is_far_from_the_least_loss_is_not_compared(losses: tuple[float, ...], near: list[int]) -> None:
    assert near_least_loss(candidates(*losses)) == near


def test_a_step_that_was_saved_counts_with_the_nearest_evaluation_also_of_a_step_that_was_not() -> None:
    asked = candidates(math.nan, math.nan, 1.0)
    assert near_least_loss(asked, [(60, 3.0), (90, 1.2), (150, 1.0)]) == [1, 2]
    no_number = dataclasses.replace(asked[0], is_average=True)  # it was evaluated: nothing else speaks for it
    assert near_least_loss([*asked, no_number], [(60, 3.0), (90, 1.2), (150, 1.0)]) == [1, 2]


def test_saved_steps_are_compared_whether_they_were_evaluated_or_not(
    run_training: Callable[..., Iterator[TrainingEvent]],
    quick: TrainSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pick, "draw_cells", paint(dict.fromkeys([*"2456", "average", "class"], (120, 120, 200))))
    monkeypatch.setattr(Judge, "unrelated_of", lambda *_: 0.0)
    losses = iter([0.2, 0.1, 0.1])  # at 5 and at the end, and of the average
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: next(losses))
    asked = quick.changed(save_every=2, evaluate_every=5, seed=1)
    events = list(run_training(asked, scorer=Faithful()))
    scored = {event.candidate.step for event in events if isinstance(event, Scored)}
    assert scored == {6}, "those of step 2 and 4 have the loss of step 5, which is far from the least"
    losses = iter([0.1] * 3)
    events = list(run_training(asked, "even", scorer=Faithful()))
    scored = {event.candidate.step for event in events if isinstance(event, Scored)}
    assert scored == {2, 4, 5, 6}, "5 has the least loss"


@pytest.mark.parametrize(
    ("words", "phrase"),
    [("person", "a person"), ("old man", "an old man"), ("the old man", "the old man"), ("*", "a cat"), ("", "a cat")],
)
def test_the_class_word_stands_as_in_a_sentence(words: str, phrase: str) -> None:
    assert class_phrase(words, "cat") == phrase


def paint(candidate_colours: dict[str, tuple[int, int, int]]) -> Callable[..., list[object]]:
    """A stand-in for drawing: each candidate's pictures have one colour, the class word's are grey."""

    @dataclasses.dataclass
    class Picture:
        image: Image.Image
        infotext = ""
        settings = GenerateSettings(prompt="-")

    def draw(components: object, plan: object, cells: Sequence[int], subject: Subject) -> list[object]:
        embedding = next(iter(subject.embeddings.values()), None)
        key = "class" if embedding is None else str(embedding.step)
        if embedding and "averaged_over" in embedding.metadata:
            key = "average"
        return [Picture(Image.new("RGB", (8, 8), candidate_colours[key])) for _ in cells]

    return draw


class Faithful(ColourScorer):
    """Finds every picture as near to its prompt as any other, so that likeness alone decides."""

    def embed_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).repeat(len(texts), 1)


@pytest.mark.usefixtures("everyone_is_compared")
def test_the_candidate_most_like_the_photos_is_picked(
    run_training: Callable[..., Iterator[TrainingEvent]],
    quick: TrainSettings,
    scorer: ColourScorer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = quick.changed(save_every=1, evaluate_every=2, learning_rate="0.001")
    colours = {str(step): (200, 20, 20) for step in range(1, 7)} | {"average": (200, 20, 20), "class": (120, 120, 200)}
    # The photos' mean colours lie around one direction; the picture nearest to it is given to step 4.
    monkeypatch.setattr(pick, "draw_cells", paint({**colours, "4": (60, 200, 90)}))

    class Greenish(Faithful):
        def embed_identity(self, images: Sequence[Image.Image]) -> torch.Tensor:
            if all(image.size == (8, 8) for image in images):
                return super().embed_identity(images)
            return super().embed_identity(
                [Image.new("RGB", (4, 4), (60, 200 - number, 90)) for number, _ in enumerate(images)]
            )

    monkeypatch.setattr(Judge, "unrelated_of", lambda *_: 0.0)
    events = list(run_training(settings, scorer=Greenish()))
    (picked,) = (event for event in events if isinstance(event, Picked))
    assert picked.candidate.step == 4
    assert "step 4 scores best against photos it never saw" in picked.reason
    assert "little likeness" not in picked.reason
    assert picked.candidate.scores["identity"] == pytest.approx(1.0, abs=0.05)
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert finished.scores == picked.candidate.scores
    scored = [event.candidate for event in events if isinstance(event, Scored)]
    assert sorted((each.step, each.is_average) for each in scored) == [(step, False) for step in range(1, 7)] + [
        (6, True)
    ]
    rounds = RECIPES["retrato"].pick.rounds
    for each in scored:
        assert [scores["pictures"] for scores in each.rounds] == [float(count) for count in rounds[: len(each.rounds)]]
        assert each.scores["pictures"] == len(each.pictures)
    assert {len(each.rounds) for each in scored} == {1, 2, 3}
    drawn = sum(len(each.pictures) for each in scored) + len(list((tmp_path / "run" / "images").glob("class-*.png")))
    assert drawn <= pictures_needed(RECIPES["retrato"].pick)
    assert len(list((tmp_path / "run" / "images").iterdir())) == drawn
    told = [event for event in events if isinstance(event, Comparing)]
    assert [each.pictures for each in told] == sorted({each.pictures for each in told})
    assert (told[-1].pictures, {each.of for each in told}) == (drawn, {drawn})


@pytest.mark.parametrize(("patience", "advice"), [(None, "more steps"), (1, "other photos or a closer start")])
def test_says_when_the_best_is_little_like_the_person_and_what_may_help(
    run_training: Callable[..., Iterator[TrainingEvent]],
    quick: TrainSettings,
    monkeypatch: pytest.MonkeyPatch,
    patience: int | None,
    advice: str,
) -> None:
    """Where the loss has settled, more steps are none: training would stop at once."""
    recipe = dataclasses.replace(RECIPES["retrato"], patience=patience, least_gain=0.99)
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {"retrato": recipe})
    colours = {str(step): (120, 120, 200) for step in range(1, 7)} | {
        "average": (120, 120, 200),
        "class": (120, 120, 200),
    }
    monkeypatch.setattr(pick, "draw_cells", paint(colours))
    monkeypatch.setattr(Judge, "unrelated_of", lambda *_: 0.0)
    events = list(run_training(quick.changed(save_every=1, evaluate_every=2), scorer=Faithful()))
    (picked,) = (event for event in events if isinstance(event, Picked))
    assert picked.candidate.scores["identity"] == pytest.approx(0, abs=0.01)
    assert picked.reason.endswith(f"; that is little likeness: {advice} may do better")


def test_without_a_scorer_the_least_loss_is_picked_and_the_reason_says_so(
    run_training: Callable[..., Iterator[TrainingEvent]], quick: TrainSettings
) -> None:
    events = list(run_training(quick))
    (picked,) = (event for event in events if isinstance(event, Picked))
    (finished,) = (event for event in events if isinstance(event, Finished))
    known = [candidate.loss for candidate in finished.candidates if math.isfinite(candidate.loss)]
    assert picked.candidate.loss == min(known)
    assert "least loss on the held-out photos" in picked.reason
    assert "no scorer" in picked.reason
    assert not any(isinstance(event, Scored) for event in events)


def test_where_no_loss_is_known_the_last_step_is_picked_and_no_figure_is_said() -> None:
    choice = pick._least_loss(SimpleNamespace(held_out=[1]), candidates(math.nan, math.nan))
    assert choice.picked.step == max(each.step for each in candidates(math.nan, math.nan))
    assert "nan" not in choice.reason


def test_real_pictures_are_drawn_with_real_prompts_and_seeds(
    run_training: Callable[..., Iterator[TrainingEvent]],
    quick: TrainSettings,
    scorer: ColourScorer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = dataclasses.replace(
        RECIPES["retrato"].pick, rounds=(1, 3), prompts=RECIPES["retrato"].pick.prompts[:2], steps=1
    )
    recipe = dataclasses.replace(RECIPES["retrato"], pick=small)
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {"retrato": recipe})
    events = list(run_training(quick, scorer=scorer))
    finished = events[-1]
    assert isinstance(finished, Finished)
    most = max(finished.candidates, key=lambda candidate: len(candidate.pictures))
    texts = [Image.open(file).text["parameters"] for file in most.pictures]
    prompts = [prompt.text.replace("[name]", "ana-t1") for prompt in small.prompts]
    assert [text.splitlines()[0] for text in texts] == [prompts[0], prompts[1], prompts[0]]
    seeds = (small.first_seed, small.first_seed, small.first_seed + 1)
    assert all(f"Seed: {seed}," in text for text, seed in zip(texts, seeds, strict=True))
