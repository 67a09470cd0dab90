import dataclasses
import errno
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from retrato.embeddings import read_embedding
from retrato.errors import TrainingError
from retrato.model import Components
from retrato.settings import TrainSettings
from retrato.training import Finished, Stepped, answer, crowd, train
from retrato.training.answer import Wanted, answer_of
from retrato.training.crowd import Failed, Of, joint_gradients
from retrato.training.train import lesson

from .conftest import coloured_photo

LONG = "a very long red hat that goes on " * 12
NAMES = ("ana-1", "ana-12", "bob-1")


def settings_of(name: str, **changes: object) -> TrainSettings:
    whole = TrainSettings(
        name=name, steps=4, batch_size=2, evaluate_every=2, save_every=2, seed=len(name), learning_rate="0.005"
    )
    return whole.changed(**changes)


@pytest.fixture
def lessons(tiny_components: Components, tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Three people with photos, seeds and captions of their own; one's captions fill more than one chunk of tokens."""

    def start(folder: str, **changes: dict[str, object]) -> dict[str, object]:
        found = {}
        for number, name in enumerate(NAMES):
            photos = [coloured_photo(10 * number + each) for each in range(6)]
            if name == "bob-1":
                photos = [dataclasses.replace(photo, caption=LONG) for photo in photos]
            found[name] = lesson(
                tiny_components,
                photos,
                settings_of(name, **changes.get(name.replace("-", "_"), {})),
                run_folder=tmp_path / folder / name,
            )
        return found

    return start


def vectors(folder: Path, name: str) -> torch.Tensor:
    return read_embedding(folder / name / f"{name}.safetensors").vectors[0]


def wanted_by(lessons: dict[str, object]) -> list[Wanted]:
    return [next(said for said in each if isinstance(said, Wanted)) for each in lessons.values()]


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("at_once", [1, 3, 32])
def test_gradients_computed_together_are_those_computed_alone(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], at_once: int
) -> None:
    people = lessons("run", ana_12={"batch_size": 3, "gradient_accumulation": 2}, ana_1={"clip_skip": 2})
    wanted = wanted_by(people)
    for one, (loss, found) in zip(wanted, joint_gradients(tiny_components, wanted, at_once), strict=True):
        expected_loss, expected = answer_of(one)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert relative(found[0], expected[0]) < 1e-4
    for each in people.values():
        each.close()


def test_nobody_is_computed_less_exactly_because_others_are(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the processor has bfloat16, a batch of four takes it and one of two does not, together as alone."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    people = lessons("run", ana_12={"batch_size": 4})
    wanted = wanted_by(people)
    assert [one.autocast for one in wanted] == [False, True, False]
    (_, found), *_ = joint_gradients(tiny_components, wanted, 32)
    assert relative(found[0], answer_of(wanted[0])[1][0]) < 1e-4
    for each in people.values():
        each.close()


def test_numbers_that_are_none_stay_with_the_one_who_has_them(
    tiny_components: Components, lessons: Callable[..., dict[str, object]]
) -> None:
    people = lessons("run")
    wanted = wanted_by(people)
    bad = dataclasses.replace(wanted[0].state, parameters=(wanted[0].state.parameters[0] * math.nan,))
    wanted[0] = dataclasses.replace(wanted[0], state=bad)
    found = joint_gradients(tiny_components, wanted, 32)
    assert math.isnan(found[0][0])
    for one, (loss, gradient) in zip(wanted[1:], found[1:], strict=True):
        assert loss == pytest.approx(answer_of(one)[0], rel=1e-5)
        assert bool(gradient[0].isfinite().all())
    for each in people.values():
        each.close()


def test_a_crowd_learns_what_each_learns_alone_and_one_failure_touches_nobody(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    together = list(crowd(tiny_components, lessons("together", ana_1={"steps": 2})))
    finished = {each.name: each.event for each in together if isinstance(each.event, Finished)}
    assert set(finished) == set(NAMES)
    assert finished["ana-1"].steps_run == 2
    for name, each in lessons("alone", ana_1={"steps": 2}).items():
        list(answer.answered(each))
        assert relative(vectors(tmp_path / "together", name), vectors(tmp_path / "alone", name)) < 1e-3
    # The same again, in which one person's disk is full from the second step on.
    people = lessons("failing", ana_1={"steps": 2})

    def broken() -> object:
        try:
            said = yield from until_second(people["ana-12"])
            yield said
        finally:
            people["ana-12"].close()
        raise OSError(errno.ENOSPC, "No space left on device")

    again = list(crowd(tiny_components, {**people, "ana-12": broken()}))
    (failed,) = [each for each in again if isinstance(each.event, Failed)]
    assert failed == Of("ana-12", Failed("[Errno 28] No space left on device"))
    for name in ("ana-1", "bob-1"):
        assert relative(vectors(tmp_path / "failing", name), vectors(tmp_path / "alone", name)) < 1e-3


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (4, 2), (5, 3)])
def test_no_more_are_begun_than_fill_a_pass_and_all_are_learned(
    tiny_components: Components,
    lessons: Callable[..., dict[str, object]],
    tmp_path: Path,
    at_once: int,
    most: int,
) -> None:
    """A lesson holds its photos while it is open; each of these has two of them in a step."""
    begun: set[str] = set()
    counts = []

    def counted(name: str, own: object) -> object:
        begun.add(name)
        counts.append(len(begun))
        try:
            yield from own
        finally:
            begun.remove(name)

    steps = {"ana_1": {"steps": 2}, "ana_12": {"steps": 1}}
    people = {name: counted(name, own) for name, own in lessons("together", **steps).items()}
    finished = [
        each.name for each in crowd(tiny_components, people, at_once=at_once) if isinstance(each.event, Finished)
    ]
    assert sorted(finished) == sorted(NAMES)
    assert (len(counts), max(counts)) == (3, most)
    for name, each in lessons("alone", **steps).items():
        list(answer.answered(each))
        assert relative(vectors(tmp_path / "together", name), vectors(tmp_path / "alone", name)) < 1e-3


def until_second(lesson: object) -> object:
    """Goes on with a lesson until its second step is done, and gives that event."""
    sent = None
    while True:
        said = lesson.send(sent)
        if isinstance(said, Stepped) and said.step == 2:
            return said
        sent = yield said


def test_whoever_stops_consuming_stops_all_and_each_saves(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    events = crowd(tiny_components, lessons("run"))
    next(each for each in events if each.name == "bob-1" and isinstance(each.event, Stepped) and each.event.step == 1)
    events.close()
    for name in NAMES:
        assert (tmp_path / "run" / name / "checkpoints" / "1.json").exists()


def forgetful(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """From now on memory holds `most` examples, of one person or of several; gives the sizes that were tried."""
    tried: list[int] = []
    together, alone = crowd_module().joint_gradients, answer.gradients

    def gradients(real: Callable[..., object], at_once: int, *arguments: object) -> object:
        tried.append(at_once)
        if at_once > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*arguments)

    monkeypatch.setattr(crowd_module(), "joint_gradients", lambda *given: gradients(together, given[2], *given))
    monkeypatch.setattr(answer, "gradients", lambda *given: gradients(alone, given[9], *given))
    return tried


def test_too_little_memory_makes_smaller_passes(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = forgetful(monkeypatch, 4)
    events = crowd(tiny_components, lessons("run"), at_once=16)
    next(each for each in events if isinstance(each.event, Stepped) and each.event.step == 2)
    events.close()
    assert tried[:3] == [16, 8, 4]
    assert set(tried[3:]) == {4}


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 16, 17, 32, 64, 100, 255, 256])
def test_too_little_memory_is_known_after_five_tries_and_said_to_each(
    tiny_components: Components,
    lessons: Callable[..., dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    tried = forgetful(monkeypatch, 0)
    events = list(crowd(tiny_components, lessons("run"), at_once=at_once))
    failed = {each.name: each.event.reason for each in events if isinstance(each.event, Failed)}
    assert set(failed) == set(NAMES)
    assert all("for a single example, 2.00 GiB more are needed" in reason for reason in failed.values())
    together = [each for each in tried if each > 1]
    assert together[:1] == [at_once] * (at_once > 1)
    assert together == sorted(set(together), reverse=True)
    assert len(together) <= 4
    assert len(tried) - len(together) <= 1 + 2 * len(NAMES)  # alone, each with blocks computed twice as the last resort


def test_what_cannot_be_done_together_is_done_alone(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> object:
        raise ValueError("these do not go together")

    monkeypatch.setattr(crowd_module(), "joint_gradients", refuses)
    alone = crowd_module().answer_of

    def answer(wanted: Wanted, **options: object) -> object:
        if wanted.run.settings.name == "ana-1":
            raise TrainingError("it is hers")
        return alone(wanted, **options)

    monkeypatch.setattr(crowd_module(), "answer_of", answer)
    events = list(crowd(tiny_components, lessons("run", ana_12={"steps": 1}, bob_1={"steps": 1})))
    assert Of("ana-1", Failed("it is hers")) in events
    assert {each.name for each in events if isinstance(each.event, Finished)} == {"ana-12", "bob-1"}


def crowd_module() -> object:
    import importlib

    return importlib.import_module("retrato.training.crowd")


def test_a_lesson_that_is_answered_is_a_training(
    tiny_components: Components, lessons: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    list(answer.answered(lessons("lesson")["ana-1"]))
    photos = [coloured_photo(each) for each in range(6)]
    list(train(tiny_components, photos, settings_of("ana-1"), run_folder=tmp_path / "train" / "ana-1"))
    assert torch.equal(vectors(tmp_path / "lesson", "ana-1"), vectors(tmp_path / "train", "ana-1"))
