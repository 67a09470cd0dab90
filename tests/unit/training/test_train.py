import dataclasses
import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from PIL import Image

from retrato.embeddings import read_embedding
from retrato.errors import EmbeddingError, PhotoError, PromptError, SettingsError, TrainingError
from retrato.generation import read_infotext
from retrato.hypernetworks import read_hypernetwork
from retrato.model import Components
from retrato.photos import Photo
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training import (
    RECIPES,
    Evaluated,
    Finished,
    Picked,
    Prepared,
    Previewed,
    Saved,
    Stepped,
    TrainingEvent,
    answer,
    train,
)
from retrato.training.checkpoint import load_checkpoint, save_checkpoint
from retrato.training.run_folder import locked

from .conftest import ColourScorer

HYPERNETWORK = HypernetworkSettings(name="ana-h1", steps=6, batch_size=2, evaluate_every=3, save_every=3, held_out=1)
Start = Callable[..., Iterator[TrainingEvent]]


def of_kind(events: Sequence[TrainingEvent], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def weights_hash(components: Components) -> str:
    digest = hashlib.sha256()
    for module in components.modules:
        for name, weight in sorted(module.state_dict().items()):
            digest.update(name.encode() + weight.contiguous().numpy().tobytes())
    return digest.hexdigest()


def final_state(folder: Path) -> bytes:
    newest = max(folder.glob("checkpoints/*.safetensors"), key=lambda path: int(path.stem))
    return newest.read_bytes()


def test_tells_the_whole_story_in_order(run_training: Start, quick: TrainSettings, tmp_path: Path) -> None:
    events = list(run_training(quick))
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        "Prepared",
        *("Stepped", "Stepped", "Evaluated", "Stepped", "Saved"),
        *("Stepped", "Evaluated", "Stepped", "Stepped", "Evaluated", "Saved"),
        *("Picked", "Finished"),
    ]
    prepared, finished = events[0], events[-1]
    assert isinstance(prepared, Prepared)
    assert isinstance(finished, Finished)
    assert (len(prepared.photos), len(prepared.held_out), prepared.steps, prepared.first_step) == (5, 1, 6, 0)
    assert prepared.learning_share == 1.0, "without a scorer there is nothing to compare"
    assert prepared.hint == "", "half of the photos have captions"
    assert (finished.steps_run, finished.samples, finished.vectors, finished.dim) == (6, 12, 3, 32)
    losses = [event.loss for event in of_kind(events, Evaluated)]
    still_falling = ", and the loss was still falling: more steps may do better" * (losses[-1] < min(losses[:-1]))
    assert finished.stop_reason == "all 6 steps are done" + still_falling
    assert finished.run_folder == tmp_path / "run"
    assert sum(finished.times.values()) == pytest.approx(finished.seconds)


@pytest.mark.parametrize("how", ["auto", "none"])
def test_who_has_no_captions_is_told_so_but_not_who_wants_none(
    how: Literal["auto", "none"], tiny_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    bare = [dataclasses.replace(photo, caption=None) for photo in photos]
    prepared = next(train(tiny_components, bare, quick.changed(caption=how), run_folder=tmp_path / "run"))
    assert isinstance(prepared, Prepared)
    assert ("no photo has a caption" in prepared.hint) == (how == "auto")


def test_candidates_are_saved_where_they_are_asked_for_judged_or_not(
    run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    *events, finished = run_training(quick.changed(evaluate_every=5, save_every=2, recipe="a1111"))
    assert [event.step for event in of_kind(events, Saved)] == [2, 4, 6]
    assert [event.step for event in of_kind(events, Evaluated)] == [5, 6]
    assert isinstance(finished, Finished)
    assert all(read_embedding(each.file).step == each.step for each in finished.candidates)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [each["step"] for each in run["candidates"] if each["loss"] is None] == [2, 4]
    assert finished.picked_step in (5, 6)  # without a scorer the least loss decides, and these have one


@pytest.mark.parametrize("asked", ["embedding", "hypernetwork"])
def test_the_longest_of_names_is_learned_to_the_end_and_resumed(
    run_training: Start, quick: TrainSettings, asked: str
) -> None:
    """Candidates are called by name and step, which is more than a name may have."""
    settings = (quick if asked == "embedding" else HYPERNETWORK).changed(name="n" * 64, steps=2, save_every=1)
    events = run_training(settings)
    next(event for event in events if isinstance(event, Stepped))
    events.close()
    finished = list(run_training(settings, resume=True))[-1]
    assert isinstance(finished, Finished)
    read = read_embedding if asked == "embedding" else read_hypernetwork
    assert read(finished.file).name == "n" * 64


def test_the_embedding_is_on_disk_with_its_provenance(
    run_training: Start, quick: TrainSettings, tiny_components: Components
) -> None:
    finished = list(run_training(quick))[-1]
    assert isinstance(finished, Finished)
    embedding = read_embedding(finished.file)
    assert (embedding.name, embedding.step) == ("ana-t1", finished.picked_step)
    assert embedding.base_model_hash == tiny_components.hash
    assert embedding.vectors[0].shape == (3, 32)
    assert embedding.metadata["recipe"] == "retrato"
    candidate = next(each for each in finished.candidates if each.step == 3)
    assert candidate.file.name == "ana-t1-3.safetensors"
    assert read_embedding(candidate.file).step == 3


def test_the_run_folder_says_everything(run_training: Start, quick: TrainSettings, tmp_path: Path) -> None:
    events = list(run_training(quick.changed(preview_every=3)))
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [each["step"] for each in run["evaluations"]] == [2, 4, 6]
    assert [each["loss"] for each in run["evaluations"]] == [event.loss for event in of_kind(events, Evaluated)]
    assert run["pick_reason"] == of_kind(events, Picked)[0].reason
    assert [each["held_out"] for each in run["photos"]].count(True) == 1
    (settings,) = (tmp_path / "run").glob("settings-*.json")
    assert json.loads(settings.read_text())["settings"]["name"] == "ana-t1"
    lines = (tmp_path / "run" / "textual_inversion_loss.csv").read_text().splitlines()
    assert lines[0].startswith("step,epoch,epoch_step,loss,learn_rate")
    losses = [event.loss for event in of_kind(events, Stepped)]
    assert [float(line.split(",")[3]) for line in lines[1:]] == pytest.approx(losses, abs=1e-6)
    assert [event.file for event in of_kind(events, Previewed)] == [
        tmp_path / "run" / "images" / f"ana-t1-{step}.png" for step in (3, 6)
    ]
    assert all(event.file.exists() for event in of_kind(events, Previewed))


def test_learning_lowers_the_loss_it_is_judged_by(run_training: Start, quick: TrainSettings) -> None:
    settings = quick.changed(steps=40, evaluate_every=10, save_every=40, batch_size=4, learning_rate="0.02")
    losses = [event.loss for event in of_kind(list(run_training(settings)), Evaluated)]
    assert losses[-1] < losses[0]


def test_the_frozen_model_stays_bit_for_bit_the_same(
    run_training: Start, quick: TrainSettings, tiny_components: Components
) -> None:
    before = weights_hash(tiny_components)
    processors = {name: type(each) for name, each in tiny_components.unet.attn_processors.items()}
    list(run_training(quick.changed(batch_size=4, preview_every=2)))
    assert weights_hash(tiny_components) == before
    assert {name: type(each) for name, each in tiny_components.unet.attn_processors.items()} == processors
    assert all(weight.grad is None for module in tiny_components.modules for weight in module.parameters())


def test_the_same_seed_gives_the_same_embedding_and_another_seed_another(
    run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    for folder, seed in (("one", 1), ("again", 1), ("other", 2)):
        list(run_training(quick.changed(seed=seed), folder))
    one, again, other = (read_embedding(tmp_path / name / "ana-t1.safetensors") for name in ("one", "again", "other"))
    assert torch.equal(one.vectors[0], again.vectors[0])
    assert not torch.equal(one.vectors[0], other.vectors[0])


@pytest.mark.parametrize("recipe", ["retrato", "a1111"])
def test_every_recipe_runs_and_gives_finite_vectors(run_training: Start, quick: TrainSettings, recipe: str) -> None:
    finished = list(run_training(quick.changed(recipe=recipe)))[-1]
    assert isinstance(finished, Finished)
    assert read_embedding(finished.file).step == finished.picked_step


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    run_training: Start, quick: TrainSettings, tmp_path: Path, stop_at: int
) -> None:
    settings = quick.changed(
        latent_sampling="random", shuffle_tags=True, tag_dropout=0.3, gradient_accumulation=2, gradient_clip=0.5
    )
    list(run_training(settings, "whole"))
    first = run_training(settings, "parts")
    next(event for event in first if isinstance(event, Stepped) and event.step == stop_at)
    first.close()
    rest = list(run_training(settings, "parts", resume=True))
    assert rest[0].first_step == stop_at
    assert [event.step for event in of_kind(rest, Stepped)] == list(range(stop_at + 1, 7))
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")
    for name in ("ana-t1.safetensors", "textual_inversion_loss.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit])
def test_an_interruption_saves_what_was_learned(
    run_training: Start, quick: TrainSettings, tmp_path: Path, interruption: type[BaseException]
) -> None:
    events = run_training(quick)
    next(event for event in events if isinstance(event, Stepped) and event.step == 2)
    with pytest.raises(interruption):
        events.throw(interruption)
    assert read_embedding(tmp_path / "run" / "embeddings" / "ana-t1-2.safetensors").step == 2
    assert (tmp_path / "run" / "checkpoints" / "2.json").exists()
    assert not list((tmp_path / "run").rglob("*.tmp*"))
    with locked(tmp_path / "run"):  # nobody holds it any more
        pass


def test_an_interruption_while_a_preview_is_drawn_loses_no_candidate(
    run_training: Start, quick: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    settings = quick.changed(steps=4, save_every=1)
    list(run_training(settings, "whole"))
    with monkeypatch.context() as patched:
        patched.setattr("retrato.training.drawing.generate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(run_training(settings.changed(preview_every=2), "parts"))
    *_, finished = run_training(settings, "parts", resume=True)
    assert isinstance(finished, Finished)
    assert [each.step for each in finished.candidates if not each.is_average] == [1, 2, 3, 4]
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")


def test_a_finished_run_resumes_straight_to_its_choice(run_training: Start, quick: TrainSettings) -> None:
    list(run_training(quick))
    again = list(run_training(quick, resume=True))
    assert [type(event).__name__ for event in again] == ["Prepared", "Picked", "Finished"]


def test_a_folder_with_a_run_is_not_written_over(run_training: Start, quick: TrainSettings) -> None:
    list(run_training(quick))
    with pytest.raises(SettingsError, match="already holds a run: resume it"):
        list(run_training(quick))


@pytest.mark.parametrize(("name", "value"), [("seed", 5), ("batch_size", 3), ("vectors_per_token", 1)])
def test_resuming_with_other_settings_is_refused(
    run_training: Start, quick: TrainSettings, name: str, value: int
) -> None:
    list(run_training(quick))
    with pytest.raises(SettingsError, match=f"{name} is {value}, but the run to resume was started with"):
        list(run_training(quick.changed(**{name: value}), resume=True))


def test_resuming_with_other_photos_is_refused(
    run_training: Start, quick: TrainSettings, tiny_components: Components, photos: list[Photo], tmp_path: Path
) -> None:
    list(run_training(quick))
    with pytest.raises(SettingsError, match="the photos are not those"):
        list(train(tiny_components, photos[:-1], quick, run_folder=tmp_path / "run", resume=True))


@pytest.mark.parametrize(
    ("flag", "change"),
    [("--vae", {"vae_hash": "0123456789"}), ("--family", {"scheduler_config": {"prediction_type": "v_prediction"}})],
)
def test_resuming_with_another_vae_or_kind_of_prediction_is_refused(
    flag: str,
    change: dict[str, object],
    run_training: Start,
    quick: TrainSettings,
    tiny_components: Components,
    photos: list[Photo],
    tmp_path: Path,
) -> None:
    """The model's hash is that of its U-Net: latents and loss would be others from there on."""
    list(run_training(quick))
    other = dataclasses.replace(tiny_components, **change)
    with pytest.raises(SettingsError, match=f"started with another {flag}: give the same again"):
        list(train(other, photos, quick, run_folder=tmp_path / "run", resume=True))


def test_resuming_with_other_captions_or_another_template_is_refused(
    run_training: Start,
    quick: TrainSettings,
    tiny_components: Components,
    photos: list[Photo],
    tmp_path: Path,
) -> None:
    """The template's name is the same, what is in it is not."""
    template = tmp_path / "words.txt"
    template.write_text("a photo of [name]\n")
    settings = quick.changed(template=str(template))
    list(run_training(settings))
    template.write_text("a portrait of [name]\n")
    with pytest.raises(SettingsError, match="the captions or the template are not those"):
        list(run_training(settings, resume=True))
    template.write_text("a photo of [name]\n")
    described = [dataclasses.replace(photo, caption="a blue hat") for photo in photos]
    with pytest.raises(SettingsError, match="the captions or the template are not those"):
        list(train(tiny_components, described, settings, run_folder=tmp_path / "run", resume=True))
    assert isinstance(list(run_training(settings, resume=True))[-1], Finished)


class Captioner:
    """Says something else each time, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def caption(self, images: Sequence[Image.Image], prompt: str = "") -> list[str]:
        self.asked += 1
        return [f"{prompt} number {self.asked}" for _ in images]


@pytest.mark.parametrize("is_there_at_first", [False, True])
def test_a_run_that_goes_on_keeps_its_captions_whatever_a_captioner_says_by_now(
    run_training: Start,
    quick: TrainSettings,
    tiny_components: Components,
    photos: list[Photo],
    tmp_path: Path,
    is_there_at_first: bool,
) -> None:
    captioner = Captioner()
    events = run_training(quick.changed(steps=1), captioner=captioner if is_there_at_first else None)
    prepared = next(events)
    list(events)
    resumed, *_, finished = run_training(quick.changed(steps=2), captioner=captioner, resume=True)
    assert isinstance(prepared, Prepared)
    assert isinstance(resumed, Prepared)
    assert isinstance(finished, Finished)
    assert (resumed.captions, captioner.asked) == (prepared.captions, int(is_there_at_first))
    described = [dataclasses.replace(photo, caption="a blue hat") for photo in photos]
    other = {"run_folder": tmp_path / "run", "captioner": captioner, "resume": True}
    with pytest.raises(SettingsError, match="the captions or the template are not those"):
        list(train(tiny_components, described, quick, **other))
    with pytest.raises(SettingsError, match="the photos are not those"):
        list(train(tiny_components, photos[:-1], quick, **other))
    assert captioner.asked == int(is_there_at_first)


def test_previews_may_begin_when_a_run_is_resumed(run_training: Start, quick: TrainSettings, tmp_path: Path) -> None:
    list(run_training(quick, "whole"))
    first = run_training(quick, "parts")
    next(event for event in first if isinstance(event, Stepped) and event.step == 2)
    first.close()
    rest = list(run_training(quick.changed(preview_every=2, preview_prompt="[name]"), "parts", resume=True))
    assert [event.step for event in of_kind(rest, Previewed)] == [4, 6]
    picked = [tmp_path / part / "ana-t1.safetensors" for part in ("parts", "whole")]
    assert picked[0].read_bytes() == picked[1].read_bytes()


def test_the_previews_prompt_is_looked_at_before_the_first_step(
    run_training: Start, quick: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What surprises in it is said, what cannot be drawn is refused: training would end at the first preview.

    It is said to whoever asked, and no server's log repeats words of it.
    """
    asked = quick.changed(preview_every=4, preview_prompt="a photo of [name] <hypernet:nobody:1> with anna-t1")
    prepared = next(run_training(asked))
    assert isinstance(prepared, Prepared)
    tag, name = prepared.surprises
    assert tag == (
        "preview prompt, character 19: <hypernet:nobody> does nothing: "
        "previews are drawn with nothing but what is being learned"
    )
    assert "anna-t1 is no embedding: did you mean ana-t1?" in name
    for wrong in ("<hypernet:nobody:x>", "([name]:1000)"):
        with pytest.raises(PromptError):
            next(run_training(asked.changed(preview_prompt=f"a photo of {wrong}"), "refused"))
    assert not (tmp_path / "refused").exists()
    own = HYPERNETWORK.changed(preview_every=3, preview_prompt="a photo of [name]")
    for settings, folder in ((quick, "none"), (own, "own")):
        prepared = next(run_training(settings, folder))
        assert isinstance(prepared, Prepared)
        assert prepared.surprises == ()
    assert not caplog.records


def test_a_resumed_run_may_be_longer(run_training: Start, quick: TrainSettings) -> None:
    list(run_training(quick))
    finished = list(run_training(quick.changed(steps=9), resume=True))[-1]
    assert isinstance(finished, Finished)
    assert finished.steps_run == 9


def test_stops_when_the_loss_has_settled_and_says_why(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, 0.4, *[0.45] * 100])
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: next(losses))
    finished = list(run_training(quick.changed(steps=100, evaluate_every=1, save_every=50)))[-1]
    assert isinstance(finished, Finished)
    assert finished.steps_run == 8
    assert "held-out photos has settled" in finished.stop_reason
    assert "least 0.40000 at step 2" in finished.stop_reason
    assert finished.picked_step == 2  # the least loss is a candidate though nothing was saved there


@pytest.mark.parametrize(
    ("deleted", "left"), [([2], [4, 6]), ([6], [2, 4]), ([2, 4, 6], [])], ids=["one", "the last", "all"]
)
def test_a_run_whose_candidates_somebody_deleted_ends_all_the_same(
    run_training: Start,
    quick: TrainSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    deleted: list[int],
    left: list[int],
) -> None:
    losses = iter([0.4, 0.3, 0.5, 0.45, 0.6, 0.6, 0.6])  # of steps 2 and so on, and of each average
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: next(losses))
    asked = quick.changed(save_every=2)
    list(run_training(asked))
    candidates = tmp_path / "run" / "embeddings"
    best = (candidates / "ana-t1-4.safetensors").read_bytes()
    for step in deleted:
        (candidates / f"ana-t1-{step}.safetensors").unlink()
    *_, finished = run_training(asked.changed(steps=8), resume=True)
    assert isinstance(finished, Finished)
    assert sorted({each.step for each in finished.candidates}) == sorted({*left, 4, 8})
    assert finished.picked_step == 4
    assert (candidates / "ana-t1-4.safetensors").read_bytes() == best  # that of least loss is written anew
    assert isinstance(list(run_training(asked.changed(steps=8), resume=True))[-1], Finished)


def test_where_nothing_of_what_was_saved_is_left_the_last_vectors_are_kept(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And no evaluation speaks for any."""
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: math.nan)
    events = run_training(quick.changed(save_every=1, evaluate_every=6, recipe="a1111"))
    for event in events:
        if isinstance(event, Stepped) and event.step == 6:
            shutil.rmtree(tmp_path / "run" / "embeddings")
    assert isinstance(event, Finished)
    assert read_embedding(event.file).step == 6


class Poisoned:
    """The real gradient, but not a number in the steps that are named."""

    def __init__(self, steps: Sequence[int], in_gradient: bool) -> None:
        self.real = answer.gradients
        self.steps, self.in_gradient, self.calls = set(steps), in_gradient, 0

    def __call__(self, *arguments: object) -> tuple[float, tuple[torch.Tensor, ...]]:
        self.calls += 1
        loss, gradient = self.real(*arguments)
        if self.calls not in self.steps:
            return loss, gradient
        return (loss, tuple(each * math.inf for each in gradient)) if self.in_gradient else (math.nan, gradient)


@pytest.mark.parametrize("in_gradient", [True, False])
def test_a_step_that_is_no_number_is_skipped_and_the_rate_halves_until_all_is_well(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_gradient: bool
) -> None:
    monkeypatch.setattr(answer, "gradients", Poisoned([3], in_gradient))
    events = list(run_training(quick.changed(learning_rate="0.004", steps=7)))
    assert [event.learning_rate for event in of_kind(events, Stepped)] == [0.004] * 3 + [0.002] * 3 + [0.004]
    assert [event.step for event in of_kind(events, Saved)] == [6, 7]  # at the third nothing was learned
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["skipped_steps"] == 1
    assert run["stop_reason"].endswith("; steps skipped, as their loss was not a number: 1 of 7")


def test_five_in_a_row_go_back_to_the_last_good_vectors(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(answer, "gradients", Poisoned(range(4, 9), False))
    events = list(run_training(quick.changed(steps=10, evaluate_every=2, save_every=10)))
    stepped = of_kind(events, Stepped)
    assert stepped[7].norms == stepped[1].norms != stepped[2].norms
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (run["skipped_steps"], run["rollbacks"]) == (5, 1)


@pytest.mark.parametrize("stop_at", [3, 5, 7])
def test_a_run_that_is_resumed_among_bad_steps_goes_back_to_the_same_vectors(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop_at: int
) -> None:
    """Good is what was judged at step 2, not what the run was resumed with."""
    settings = quick.changed(steps=10, evaluate_every=2, save_every=10)
    with monkeypatch.context() as patched:
        patched.setattr(answer, "gradients", Poisoned(range(4, 9), False))
        list(run_training(settings, "whole"))
    monkeypatch.setattr(answer, "gradients", Poisoned(range(4, 9), False))
    first = run_training(settings, "parts")
    next(event for event in first if isinstance(event, Stepped) and event.step == stop_at)
    first.close()
    list(run_training(settings, "parts", resume=True))
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")


def test_after_three_ways_back_it_stops_with_a_sentence(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(answer, "gradients", Poisoned(range(4, 200), False))
    with pytest.raises(
        TrainingError, match=r"not a number in 20 of 23 steps.*lower learning rate.*checkpoint is .*ana-t1-"
    ):
        list(run_training(quick.changed(steps=100)))
    for file in (tmp_path / "run").rglob("*.safetensors"):
        if file.parent.name == "embeddings":
            assert all(torch.isfinite(each).all() for each in read_embedding(file).vectors)


def test_an_evaluation_that_is_no_number_goes_back_too(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, math.nan, 0.4, 0.3])
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: next(losses))
    events = list(run_training(quick.changed(save_every=4)))
    assert [event.loss for event in of_kind(events, Evaluated)] == [0.5, 0.4]
    assert [event.step for event in of_kind(events, Saved)] == [6]


def fill_disk_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> list[int]:
    """After so many writes of files and rows the disk is full, in the midst of the next one; gives their sizes."""
    sizes: list[int] = []

    def has_room(content: bytes) -> bool:
        sizes.append(len(content))
        return len(sizes) <= writes

    whole_file, row = Path.write_bytes, os.write

    def write_bytes(path: Path, content: bytes) -> int:
        if has_room(content):
            return whole_file(path, content)
        whole_file(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(file: int, content: bytes) -> int:
        if has_room(content):
            return row(file, content)
        row(file, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    monkeypatch.setattr("retrato.files.os.write", write)
    return sizes


def test_a_full_disk_at_any_write_loses_nothing_and_says_what_is_needed(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scorer: object
) -> None:
    """Every write in turn is the first that does not fit: of rows, checkpoints, candidates, pictures and JSON."""
    recipe = RECIPES["retrato"]
    two_pictures = dataclasses.replace(recipe.pick, prompts=recipe.pick.prompts[:2], rounds=(2,), steps=1)
    recipes = {"retrato": dataclasses.replace(recipe, pick=two_pictures, evaluation_pairs=1)}
    monkeypatch.setattr("retrato.training.prepare.RECIPES", recipes)
    monkeypatch.setattr("retrato.training.learnable.RECIPES", recipes)
    monkeypatch.setattr("retrato.training.drawing.PREVIEW_STEPS", 1)
    settings = quick.changed(steps=2, evaluate_every=2, save_every=1, preview_every=2, preview_cards=True, held_out=0)

    def learn(folder: Path) -> list[bytes]:
        list(run_training(settings, folder.name, scorer=scorer, resume=(folder / "checkpoints").exists()))
        return [(folder / name).read_bytes() for name in ("ana-t1.safetensors", "textual_inversion_loss.csv")]

    with monkeypatch.context() as patched:
        writes = fill_disk_after(patched, 1000)
        wanted = learn(tmp_path / "whole")
    assert len(writes) >= 19
    for room in range(len(writes)):
        folder = tmp_path / str(room)
        with monkeypatch.context() as patched:
            tried = fill_disk_after(patched, room)
            with pytest.raises(TrainingError) as caught:
                learn(folder)
        found = load_checkpoint(folder / "checkpoints")
        last = folder / "embeddings" / f"ana-t1-{found.state.step if found else 0}.safetensors"
        kept = f"the last good checkpoint is {last}, from where" if found else "nothing had been saved yet"
        assert f"(No space left on device, {tried[-1]:,} bytes are needed): {kept}" in str(caught.value)
        assert found is None or (found.damaged, read_embedding(last).step) == ((), found.state.step)
        assert not list(folder.rglob("*.tmp*"))
        assert learn(folder) == wanted


def test_a_place_that_cannot_be_written_is_named(
    tiny_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file.* cannot be written"):
        list(train(tiny_components, photos, quick, run_folder=tmp_path / "file" / "run"))


def test_a_run_folder_that_is_deleted_ends_the_run_and_is_not_made_anew(
    run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    events = run_training(quick.changed(save_every=1))
    next(event for event in events if isinstance(event, Saved))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"run was deleted while the training was at work"):
        list(events)
    assert not (tmp_path / "run").exists()


def test_nothing_learned_at_all_is_said(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrato.training.candidates.evaluate", lambda *_, **__: math.nan)
    with pytest.raises(TrainingError, match="none of 1 steps has a loss that is a number"):
        list(run_training(quick.changed(steps=1)))


def test_a_full_disk_while_stopping_is_said_too(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = run_training(quick)
    next(event for event in events if isinstance(event, Stepped) and event.step == 2)
    fill_disk_after(monkeypatch, 0)
    with pytest.raises(TrainingError, match="No space left on device"):
        events.close()


def test_two_trainings_in_one_folder_do_not_meet(run_training: Start, quick: TrainSettings) -> None:
    first = run_training(quick)
    next(first)
    with pytest.raises(TrainingError, match="is training in"):
        next(run_training(quick))
    first.close()


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("person", EmbeddingError, "ordinary word"),
        ("A person", EmbeddingError, "ordinary word"),
        ("the person", EmbeddingError, "ordinary word"),
        ("../ana", EmbeddingError, "cannot be a name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_before_anything_is_written(
    run_training: Start, quick: TrainSettings, tmp_path: Path, name: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        next(run_training(quick.changed(name=name)))
    assert not (tmp_path / "run").exists()


def test_too_few_photos_are_refused_before_anything_is_written(
    tiny_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(PhotoError):
        next(train(tiny_components, photos[:2], quick, run_folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_photos_may_be_a_folder(
    tiny_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos:
        photo.image.save(folder / photo.path.name)
    (folder / "01.txt").write_text("a hat, red")
    prepared = next(train(tiny_components, folder, quick, run_folder=tmp_path / "run"))
    assert isinstance(prepared, Prepared)
    assert prepared.captions[str(folder / "01.png")] == "a hat, red"


def test_both_text_encoders_of_xl_are_learned(
    tiny_xl_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    finished = list(train(tiny_xl_components, photos, quick.changed(steps=2), run_folder=tmp_path / "run"))[-1]
    assert isinstance(finished, Finished)
    assert [each.shape for each in read_embedding(finished.file).vectors] == [(3, 32), (3, 48)]


def test_the_same_loop_learns_a_hypernetwork(
    run_training: Start, tiny_components: Components, scorer: object, tmp_path: Path
) -> None:
    before = weights_hash(tiny_components)
    events = list(run_training(HYPERNETWORK.changed(recipe="a1111", steps=3, preview_every=3), scorer=scorer))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert weights_hash(tiny_components) == before
    found = read_hypernetwork(finished.file)
    assert (found.name, found.step, found.base_model_hash) == ("ana-h1", finished.picked_step, tiny_components.hash)
    assert (finished.vectors, finished.numbers) == (0, found.count)
    assert set(finished.scores) >= {"identity", "prompt_fidelity", "harmonic"}
    assert found.metadata["identity"] == f"{finished.scores['identity']:.4f}"
    assert (tmp_path / "run" / "hypernetworks" / "ana-h1-3.safetensors").exists()
    assert (tmp_path / "run" / "hypernetwork_loss.csv").exists()
    infotext = read_infotext(of_kind(events, Previewed)[0].file)
    assert infotext is not None
    assert infotext.startswith("a portrait of a person<hypernet:ana-h1:1>\n")


def test_a_hypernetwork_learns(run_training: Start) -> None:
    settings = HYPERNETWORK.changed(steps=30, evaluate_every=10, save_every=30, batch_size=4, learning_rate="0.002")
    losses = [event.loss for event in of_kind(list(run_training(settings)), Evaluated)]
    assert losses[-1] < losses[0]


def test_a_resumed_hypernetwork_equals_an_uninterrupted_one_bit_for_bit(run_training: Start, tmp_path: Path) -> None:
    settings = HYPERNETWORK.changed(
        layer_structure="1, 2, 2, 1",
        dropout="0, 0.3, 0.3, 0",
        activation="relu",
        layer_norm=True,
        latent_sampling="random",
    )
    list(run_training(settings, "whole"))
    first = run_training(settings, "parts")
    next(event for event in first if isinstance(event, Stepped) and event.step == 2)
    first.close()
    list(run_training(settings, "parts", resume=True))
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")
    assert (tmp_path / "parts" / "ana-h1.safetensors").read_bytes() == (
        tmp_path / "whole" / "ana-h1.safetensors"
    ).read_bytes()


def test_a_setting_that_is_younger_than_the_run_counts_as_its_default(
    run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    list(run_training(quick))
    for manifest in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        content = manifest.read_bytes().replace(b'\\"tag_dropout\\"', b'\\"tag_dropouT\\"')
        manifest.write_bytes(content)
        said = json.loads(manifest.with_suffix(".json").read_text())
        said["sha256"] = hashlib.sha256(content).hexdigest()
        manifest.with_suffix(".json").write_text(json.dumps(said))
    assert isinstance(list(run_training(quick, resume=True))[-1], Finished)
    with pytest.raises(SettingsError, match=r"tag_dropout is 0\.5, but the run to resume was started with 0\.0"):
        list(run_training(quick.changed(tag_dropout=0.5), resume=True))


def test_a_run_that_was_told_how_to_clip_without_a_limit_goes_on(
    run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    """It was taken once, and meant nothing; now nobody can say it again."""
    list(run_training(quick))
    folder = tmp_path / "run" / "checkpoints"
    found = load_checkpoint(folder)
    assert found is not None
    told = {**found.facts, "settings": {**found.facts["settings"], "gradient_clip_by": "value"}}
    save_checkpoint(folder, found.state, told)
    assert isinstance(list(run_training(quick, resume=True))[-1], Finished)


@pytest.mark.parametrize(("line", "is_read"), [("a photo of [name]s", False), ("[name][filewords]", False),
                                               ("a photo of [name]'s hat", True), ("([name]:1.2)", True)])  # fmt: skip
def test_a_template_that_joins_the_name_to_other_letters_is_refused(
    line: str, is_read: bool, run_training: Start, quick: TrainSettings, tmp_path: Path
) -> None:
    """No vectors would be in such a text: torch ended the step, or it taught nothing."""
    template = tmp_path / "words.txt"
    template.write_text(f"a photo of [name]\n{line}\n")
    learning = run_training(quick.changed(name="ana", template=str(template), steps=1))
    if is_read:
        assert isinstance(list(learning)[-1], Finished)
        return
    with pytest.raises(PromptError, match="one word of ana and the letters beside it: put a space between them"):
        next(learning)
    assert not (tmp_path / "run").exists(), "nothing was written"


def test_a_template_for_a_hypernetwork_need_not_name_it(run_training: Start, tmp_path: Path) -> None:
    template = tmp_path / "hypernetwork.txt"
    template.write_text("a photo of a [filewords]\n")
    assert isinstance(list(run_training(HYPERNETWORK.changed(template=str(template), steps=1)))[-1], Finished)


def test_learns_from_pictures_of_another_shape_with_masks_and_makes_cards(
    tiny_components: Components, photos: list[Photo], quick: TrainSettings, tmp_path: Path
) -> None:
    faces = [dataclasses.replace(photo, mask=Image.linear_gradient("L").resize((64, 64))) for photo in photos]
    settings = quick.changed(width=64, height=80, use_mask=True, preview_every=3, preview_cards=True, steps=3)
    finished = list(train(tiny_components, faces, settings, run_folder=tmp_path / "run"))[-1]
    assert isinstance(finished, Finished)
    card = read_embedding(tmp_path / "run" / "image_embeddings" / "ana-t1-3.png")
    assert torch.equal(card.vectors[0], read_embedding(tmp_path / "run/embeddings/ana-t1-3.safetensors").vectors[0])
    with pytest.raises(SettingsError, match=r"width is 70: tiny.* learns from multiples of 8"):
        next(train(tiny_components, faces, settings.changed(width=70), run_folder=tmp_path / "other"))


def test_clip_skip_is_that_of_steps_previews_and_comparing_and_the_file_says_so(
    tiny_components: Components, photos: list[Photo], quick: TrainSettings, scorer: ColourScorer, tmp_path: Path
) -> None:
    settings = quick.changed(clip_skip=2, preview_every=3, steps=3)
    *_, finished = train(tiny_components, photos, settings, run_folder=tmp_path / "two", scorer=scorer)
    assert isinstance(finished, Finished)
    skipped = read_embedding(finished.file)
    assert skipped.metadata["clip_skip"] == "2"
    drawn = list((tmp_path / "two/images").glob("*.png"))
    assert {"ana-t1-3.png", "ana-t1-3-0.png"} <= {file.name for file in drawn}
    assert all("Clip skip: 2" in (read_infotext(file) or "") for file in drawn)
    *_, finished = train(tiny_components, photos, quick.changed(steps=3), run_folder=tmp_path / "one")
    plain = read_embedding(finished.file)
    assert "clip_skip" not in plain.metadata
    assert not torch.equal(plain.vectors[0], skipped.vectors[0])
    with pytest.raises(SettingsError, match=r"clip_skip is 12, but tiny.* has 3 layers"):
        next(train(tiny_components, photos, settings.changed(clip_skip=12), run_folder=tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_buckets_keep_each_photos_shape_and_resume_bit_for_bit(
    tiny_components: Components,
    photos: list[Photo],
    quick: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two square photos, two wide and two high ones; one is held out. A batch is of one shape."""
    sides = [(64, 64), (64, 64), (128, 64), (128, 64), (64, 120), (64, 120)]
    shaped = [
        dataclasses.replace(photo, image=photo.image.resize(size), mask=Image.linear_gradient("L").resize(size))
        for photo, size in zip(photos, sides, strict=True)
    ]
    settings = quick.changed(buckets=True, steps=12, held_out=1, batch_size=3)
    shapes, real = [], answer.gradients
    monkeypatch.setattr(answer, "gradients", lambda *each: shapes.append(tuple(each[2].latents.shape)) or real(*each))
    whole = list(train(tiny_components, shaped, settings, run_folder=tmp_path / "whole"))
    assert isinstance(whole[-1], Finished)
    assert {each[0] for each in shapes} == {3}
    assert len({each[2:] for each in shapes}) == 3
    assert all(high * wide <= 8 * 8 for *_, high, wide in shapes)
    assert {wide > high for *_, high, wide in shapes} == {True, False}
    first = train(tiny_components, shaped, settings, run_folder=tmp_path / "parts")
    next(event for event in first if isinstance(event, Stepped) and event.step == 5)
    first.close()
    list(train(tiny_components, shaped, settings, run_folder=tmp_path / "parts", resume=True))
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")
    with pytest.raises(SettingsError, match="buckets were given together with width or height"):
        settings.changed(width=64)
