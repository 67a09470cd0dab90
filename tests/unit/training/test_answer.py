from collections.abc import Callable, Iterator

import pytest
import torch

from retrato.errors import TrainingError
from retrato.settings import TrainSettings
from retrato.training import Finished, TrainingEvent, answer

Start = Callable[..., Iterator[TrainingEvent]]


def forgetful(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """From now on memory holds `most` examples at a time; gives the sizes that were tried."""
    tried: list[int] = []
    real = answer.gradients

    def gradients(*arguments: object) -> object:
        tried.append(arguments[9])
        if tried[-1] > most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
        return real(*arguments)

    monkeypatch.setattr(answer, "gradients", gradients)
    return tried


def test_too_little_memory_makes_smaller_parts_of_the_same_batch(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = forgetful(monkeypatch, 1)
    finished = list(run_training(quick.changed(steps=1, batch_size=4)))[-1]
    assert isinstance(finished, Finished)
    assert finished.samples == 4
    assert tried == [4, 2, 1]


def test_too_little_memory_for_a_single_example_ends_with_a_sentence(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = forgetful(monkeypatch, 0)
    with pytest.raises(TrainingError, match=r"too little memory on cpu for a single example: .*nothing had been saved"):
        list(run_training(quick.changed(batch_size=4)))
    assert len(tried) <= 5


def test_other_errors_are_nobody_elses_business(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients(*_: object) -> object:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(answer, "gradients", gradients)
    with pytest.raises(RuntimeError, match="shapes"):
        list(run_training(quick))
    assert not answer.is_out_of_memory(ValueError("x"))
    assert answer.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
