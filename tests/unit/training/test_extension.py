"""A training whose best is little like the person goes on, once, and ends the same however it was interrupted."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from retrato.embeddings import read_embedding
from retrato.settings import TrainSettings
from retrato.training import (
    RECIPES,
    Extended,
    Finished,
    Picked,
    Prepared,
    Saved,
    Scored,
    Stepped,
    TrainingEvent,
    pick,
)
from retrato.training.checkpoint import load_checkpoint, save_checkpoint
from retrato.training.judge import Judge

Start = Callable[..., Iterator[TrainingEvent]]
PHOTO, HALF_WAY, ANYBODY = (200, 20, 20), (165, 65, 200), (120, 120, 200)


class Redness:
    """Finds pictures alike by their colour, and each as near to its prompt as any other."""

    hash = "redness"

    def embed_identity(self, images: Sequence[Image.Image]) -> torch.Tensor:
        painted = [image.getpixel((0, 0)) if image.size == (8, 8) else PHOTO for image in images]
        return torch.nn.functional.normalize(torch.tensor(painted, dtype=torch.float32) - 127.5, dim=1)

    def embed_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]).repeat(len(texts), 1)


@pytest.fixture
def asked() -> TrainSettings:
    return TrainSettings(name="ana-t1", initializer_text="person", batch_size=1)


@pytest.fixture
def learned_from() -> dict[str, int]:
    """The step from which on pictures are painted in the photos' colour, and the one whose are in one between."""
    return {"step": 6, "half": 0}


def take(monkeypatch: pytest.MonkeyPatch, **choices: object) -> None:
    """Has the recipe make four steps and four extra ones."""
    recipe = dataclasses.replace(
        RECIPES["retrato"],
        steps=4,
        extra_steps=4,
        evaluate_every=2,
        evaluation_pairs=4,
        save_every=1,
        average_over=2,
        **choices,
    )
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {"retrato": recipe})


@pytest.fixture
def drawn() -> list[object]:
    """What every picture that was drawn shows: an embedding, None for the class word."""
    return []


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, learned_from: dict[str, int], drawn: list[object]) -> None:
    """Trainings are short, and pictures show the person from the step learned from on."""
    take(monkeypatch, patience=None)
    monkeypatch.setattr(Judge, "unrelated_of", lambda *_: 0.0)

    def draw(components: object, plan: object, cells: Sequence[int], subject: object) -> list[object]:
        embedding = next(iter(subject.embeddings.values()), None)
        drawn.extend([embedding] * len(cells))
        is_like = embedding is not None and embedding.step >= learned_from["step"]
        colour = PHOTO if is_like else HALF_WAY if embedding and embedding.step == learned_from["half"] else ANYBODY
        return [SimpleNamespace(image=Image.new("RGB", (8, 8), colour)) for _ in cells]

    def save(drawn: SimpleNamespace, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn.image.save(file)
        return file

    monkeypatch.setattr(pick, "draw_cells", draw)
    monkeypatch.setattr(pick, "save_as", save)


def only(events: Sequence[TrainingEvent], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.usefixtures("everyone_is_compared")
def test_it_goes_on_where_the_best_is_little_like_the_person(
    run_training: Start, asked: TrainSettings, tmp_path: Path
) -> None:
    events = list(run_training(asked, scorer=Redness()))
    (extended,) = only(events, Extended)
    place = events.index(extended)
    assert extended.steps == 8
    assert extended.reason == (
        "the best of 4 steps, step 1, has a likeness of 0.00, which is little: training goes on, to step 8 at most"
    )
    assert 0 < extended.learning_share < 1
    assert [event.step for event in only(events[:place], Stepped)] == [1, 2, 3, 4]
    assert [event.step for event in only(events[place:], Stepped)] == [5, 6, 7, 8]
    assert [event.step for event in only(events, Saved)] == [1, 2, 3, 4, 5, 6, 7, 8]
    compared = [event.candidate.step for event in only(events[place:], Scored)]
    assert compared
    assert min(compared) > 4, "the first ones were compared already"
    (picked,) = only(events, Picked)
    assert picked.candidate.step == 6
    assert "little likeness" not in picked.reason
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.steps_run, finished.samples) == (8, 8)
    assert finished.stop_reason.startswith("there was little likeness after 4 steps, so training went on; all 8 steps")
    assert set(finished.times) == {"prepare", "train", "pick"}
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [each["step"] for each in run["candidates"] if each["scores"]] == [1, 2, 3, 4, 4, *sorted(compared)]
    assert run["plan"]["steps"] == 8


@pytest.mark.usefixtures("everyone_is_compared")
def test_both_comparisons_draw_the_class_word_once(
    run_training: Start, asked: TrainSettings, drawn: list[object], tmp_path: Path
) -> None:
    events = list(run_training(asked, scorer=Redness()))
    assert len(only(events, Extended)) == 1
    assert drawn.count(None) == len(list((tmp_path / "run" / "images").glob("class-*.png"))) > 0


def test_it_ends_where_the_best_is_like_the_person(
    run_training: Start, asked: TrainSettings, learned_from: dict[str, int]
) -> None:
    learned_from["step"] = 3
    events = list(run_training(asked, scorer=Redness()))
    assert not only(events, Extended)
    assert events[-1].steps_run == 4


@pytest.mark.usefixtures("everyone_is_compared")
def test_what_was_best_before_stays_where_nothing_better_comes(
    run_training: Start, asked: TrainSettings, learned_from: dict[str, int], tmp_path: Path
) -> None:
    learned_from |= {"step": 100, "half": 2}
    events = list(run_training(asked, scorer=Redness()))
    (picked,) = only(events, Picked)
    assert len(only(events, Extended)) == 1
    assert picked.candidate.step == 2
    assert 0.2 < picked.candidate.scores["identity"] < 0.6
    assert picked.reason.startswith("step 2 is kept: step ")
    assert read_embedding(events[-1].file).step == 2
    assert (events[-1].picked_step, events[-1].steps_run) == (2, 8)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [each["step"] for each in run["candidates"]] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]


def test_it_goes_on_once_only(run_training: Start, asked: TrainSettings, learned_from: dict[str, int]) -> None:
    learned_from["step"] = 100
    events = list(run_training(asked, scorer=Redness()))
    assert len(only(events, Extended)) == 1
    assert events[-1].steps_run == 8
    assert only(events, Picked)[0].reason.endswith("; that is little likeness: more steps may do better")


@pytest.mark.parametrize(
    "changes", [{"steps": 4}, {"learning_rate": "0.005:4"}], ids=["steps of one's own", "a rate of one's own"]
)
def test_whoever_says_how_long_gets_that(run_training: Start, asked: TrainSettings, changes: dict) -> None:
    events = list(run_training(asked.changed(**changes), scorer=Redness()))
    assert not only(events, Extended)
    assert events[-1].steps_run == 4


def test_without_a_scorer_nobody_knows(run_training: Start, asked: TrainSettings) -> None:
    assert list(run_training(asked))[-1].steps_run == 4


def test_a_loss_that_has_settled_ends_it(
    run_training: Start, asked: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(monkeypatch, patience=1, least_gain=0.99)
    events = list(run_training(asked, scorer=Redness()))
    assert not only(events, Extended)
    assert "settled" in events[-1].stop_reason
    assert "more steps" not in only(events, Picked)[0].reason


@pytest.mark.parametrize(
    ("like_from", "half", "stop_after"), [(6, 2, 3), (6, 2, 4), (6, 2, 8), (100, 2, 4), (100, 2, 6)]
)
def test_resumed_at_any_step_it_ends_as_if_nothing_had_been(
    run_training: Start, asked: TrainSettings, learned_from: dict[str, int], like_from: int, half: int, stop_after: int
) -> None:
    learned_from |= {"step": like_from, "half": half}
    whole = list(run_training(asked, "whole", scorer=Redness()))
    events = run_training(asked, scorer=Redness())
    for event in events:
        if isinstance(event, Stepped) and event.step == stop_after:
            break
    events.close()
    resumed = list(run_training(asked, scorer=Redness(), resume=True))
    prepared = resumed[0]
    assert isinstance(prepared, Prepared)
    assert (prepared.first_step, prepared.steps) == (stop_after, 8 if stop_after > 4 else 4)
    assert len(only(resumed, Extended)) == (stop_after <= 4)
    assert resumed[-1].stop_reason == whole[-1].stop_reason
    assert only(resumed, Picked)[0].reason == only(whole, Picked)[0].reason
    assert resumed[-1].file.read_bytes() == whole[-1].file.read_bytes()


@pytest.mark.usefixtures("everyone_is_compared")
def test_what_was_best_before_is_there_again_where_somebody_deleted_its_candidate(
    run_training: Start, asked: TrainSettings, learned_from: dict[str, int], tmp_path: Path
) -> None:
    learned_from |= {"step": 100, "half": 2}
    whole = list(run_training(asked, "whole", scorer=Redness()))
    events = run_training(asked, scorer=Redness())
    next(event for event in events if isinstance(event, Stepped) and event.step == 6)
    events.close()
    candidates = tmp_path / "run" / "embeddings"
    for file in candidates.glob("*.safetensors"):
        file.unlink()
    resumed = list(run_training(asked, scorer=Redness(), resume=True))
    assert (resumed[-1].picked_step, resumed[-1].file.read_bytes()) == (2, whole[-1].file.read_bytes())
    kept, before = (place / "ana-t1-2.safetensors" for place in (candidates, tmp_path / "whole" / "embeddings"))
    assert kept.read_bytes() == before.read_bytes()


@pytest.mark.usefixtures("everyone_is_compared")
def test_who_resumes_with_fewer_steps_than_were_made_has_all_candidates_compared(
    run_training: Start, asked: TrainSettings
) -> None:
    list(run_training(asked.changed(steps=6), scorer=Redness()))
    resumed = list(run_training(asked.changed(steps=4), scorer=Redness(), resume=True))
    assert min(event.candidate.step for event in only(resumed, Scored)) == 1
    assert not only(resumed, Extended)


@pytest.mark.parametrize(("is_older", "steps"), [(False, 6), (True, 8)])
def test_who_made_more_steps_of_their_own_has_no_extra_ones(
    run_training: Start, asked: TrainSettings, tmp_path: Path, is_older: bool, steps: int
) -> None:
    """Of a run that is older than the fact nobody knows, so its extra steps are made to their end."""
    list(run_training(asked.changed(steps=6)))
    if is_older:
        folder = tmp_path / "run" / "checkpoints"
        found = load_checkpoint(folder)
        assert found is not None
        save_checkpoint(folder, found.state, {name: fact for name, fact in found.facts.items() if name != "extended"})
    finished = list(run_training(asked, resume=True))[-1]
    assert finished.steps_run == steps
    assert finished.stop_reason.startswith("there was little likeness") == is_older


@pytest.mark.parametrize("without", ["a scorer", "what was kept"])
def test_extra_steps_are_resumed_without_what_is_gone(
    run_training: Start, asked: TrainSettings, tmp_path: Path, without: str
) -> None:
    events = run_training(asked, scorer=Redness())
    next(event for event in events if isinstance(event, Stepped) and event.step == 6)
    events.close()
    if without == "what was kept":
        (tmp_path / "run" / "ana-t1.safetensors").unlink()
    resumed = list(run_training(asked, scorer=None if without == "a scorer" else Redness(), resume=True))
    assert resumed[-1].steps_run == 8
    assert resumed[-1].picked_step == only(resumed, Picked)[0].candidate.step
