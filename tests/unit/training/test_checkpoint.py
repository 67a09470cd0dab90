import dataclasses
import itertools
import operator
import os
import pathlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from retrato.errors import TrainingError
from retrato.training import checkpoint
from retrato.training.checkpoint import KEPT, load_checkpoint, save_checkpoint
from retrato.training.optimizer import State, first_state

FACTS = {"model": "0123456789", "settings": {"name": "ana-t1", "seed": 7}}


def state_at(step: int) -> State:
    vectors = tuple(torch.randn(2, width, generator=torch.Generator().manual_seed(step + width)) for width in (8, 12))
    return dataclasses.replace(
        first_state(vectors),
        mean=tuple(each * 0.1 for each in vectors),
        good_parameters=tuple(each * 0.9 for each in vectors),
        good_updates=step - 2,
        square=tuple(each.square() for each in vectors),
        step=step,
        updates=step - 1,
        rate_scale=0.5,
        skipped=1,
        evaluations=((1, 0.1), (step, 1 / 3)),
        saved=(1, step),
    )


def assert_same(one: State, other: State) -> None:
    for field in dataclasses.fields(State):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, tuple) and left and isinstance(left[0], torch.Tensor):
            assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True)), field.name
        else:
            assert left == right, field.name


def test_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state_at(10), FACTS)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert_same(found.state, state_at(10))
    assert found.facts == FACTS
    assert found.damaged == ()


def test_the_newest_counts_and_the_latest_three_are_kept(tmp_path: Path) -> None:
    for step in (2, 10, 9, 100, 11):
        save_checkpoint(tmp_path, state_at(step), FACTS)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.state.step == 100
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{step}.{ending}" for step in (10, 11, 100) for ending in ("json", "safetensors")
    }
    assert KEPT == 3


def test_of_large_ones_two_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LARGE", 100)
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state_at(step), FACTS)
    assert {path.name for path in tmp_path.glob("*.json")} == {"2.json", "3.json"}


def test_nothing_is_found_where_nothing_was_saved(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "nowhere") is None


def test_a_cut_file_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state_at(1), FACTS)
    newest = save_checkpoint(tmp_path, state_at(2), FACTS)
    whole = newest.read_bytes()
    for part in range(20):
        newest.write_bytes(whole[: len(whole) * part // 20])
        found = load_checkpoint(tmp_path)
        assert found is not None
        assert (found.state.step, found.damaged) == (1, (newest,))


@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_one_flipped_bit_is_noticed_or_harmless(tmp_path: Path, ending: str) -> None:
    save_checkpoint(tmp_path, state_at(1), FACTS)
    newest = save_checkpoint(tmp_path, state_at(2), FACTS).with_suffix(f".{ending}")
    whole = newest.read_bytes()
    for number in range(50):
        place, bit = divmod((number * 7919) % (len(whole) * 8), 8)
        newest.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        found = load_checkpoint(tmp_path)
        assert found is not None
        assert_same(found.state, state_at(found.state.step))
        assert found.facts == FACTS
        assert ending == "json" or found.state.step == 1


def test_a_checkpoint_without_its_manifest_does_not_count(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state_at(1), FACTS)
    save_checkpoint(tmp_path, state_at(2), FACTS).with_suffix(".json").unlink()
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.state.step == 1


def test_says_so_when_all_are_damaged(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state_at(1), FACTS).write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="are damaged: start the training anew"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["parameters", "mean", "square", "average", "best", "good_mean"])
def test_numbers_that_are_none_are_never_written(tmp_path: Path, name: str) -> None:
    broken = dataclasses.replace(state_at(3), **{name: (torch.full((2, 8), float("nan")), torch.zeros(2, 12))})
    with pytest.raises(TrainingError, match="step 3"):
        save_checkpoint(tmp_path, broken, FACTS)
    assert list(tmp_path.iterdir()) == []


# What a save does on the way, in whatever order: a kill just before any of these must lose nothing.
MODULES = {"os": os, "pathlib": pathlib}
DEEDS = ("os.fsync", "os.open", "pathlib.Path.replace", "pathlib.Path.chmod", "pathlib.Path.unlink")


def killed_before(deed: int, folder: Path) -> bool:
    """Saves step 4 in a process that ends, as by kill -9, before its n-th deed; says whether it came to that."""
    child = os.fork()
    if child == 0:
        count = 0
        with pytest.MonkeyPatch.context() as patched:
            for name in DEEDS:
                module, _, attribute = name.partition(".")
                real = operator.attrgetter(attribute)(MODULES[module])

                def counted(*arguments: object, real: Callable[..., object] = real, **options: object) -> object:
                    nonlocal count
                    if count == deed:
                        os._exit(9)
                    count += 1
                    return real(*arguments, **options)

                patched.setattr(name, counted)
            save_checkpoint(folder, state_at(4), FACTS)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path / "before", state_at(step), FACTS)
    steps = []
    for deed in itertools.count():
        folder = tmp_path / str(deed)
        shutil.copytree(tmp_path / "before", folder)
        was_killed = killed_before(deed, folder)
        found = load_checkpoint(folder)
        assert found is not None
        assert_same(found.state, state_at(found.state.step))
        steps.append(found.state.step)
        if not was_killed:
            break
    assert len(steps) >= 12
    assert steps == sorted(steps)
    assert set(steps) == {3, 4}
