import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from retrato.embeddings import read_embedding
from retrato.errors import TrainingError
from retrato.model import Components, load_components
from retrato.model.memory import is_out_of_memory
from retrato.photos import Photo
from retrato.settings import TrainSettings
from retrato.training import Finished, TrainingEvent, answer, train
from retrato.training.train import lesson

Start = Callable[..., Iterator[TrainingEvent]]


def forgetful(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """From now on memory holds `most` examples at a time; gives the sizes that were tried."""
    tried: list[int] = []
    real = answer.gradients

    def gradients(*arguments: object) -> object:
        tried.append(arguments[9])
        if tried[-1] > most:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes. Error code 12"
            )
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


def test_what_had_no_room_once_is_not_tried_at_each_step(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = forgetful(monkeypatch, 2)
    list(run_training(quick.changed(steps=3, batch_size=4)))
    assert tried == [4, 2, 2, 2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_where_one_example_has_no_room_blocks_are_computed_twice(
    quick: TrainSettings,
    photos: list[Photo],
    tiny_components: Components,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
) -> None:
    """What is learned is the same, bit for bit, and afterwards the U-Net is as it was."""
    components = tiny_components if dtype == "float32" else load_components(tiny_folder, device="cpu", dtype=dtype)
    unet, used = components.unet, []
    settings = quick.changed(steps=2, batch_size=1)
    plain = list(train(components, photos, settings, run_folder=tmp_path / "plain"))[-1]
    real = answer.gradients

    def gradients(*arguments: object) -> object:
        used.append(unet.is_gradient_checkpointing)
        if not used[-1]:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GiB, other allocations: 384 KiB)")
        return real(*arguments)

    monkeypatch.setattr(answer, "gradients", gradients)
    finished = list(train(components, photos, settings, run_folder=tmp_path / "again"))[-1]
    assert used == [False, True, True]
    assert not unet.is_gradient_checkpointing
    assert isinstance(plain, Finished)
    assert isinstance(finished, Finished)
    assert torch.equal(read_embedding(finished.file).vectors[0], read_embedding(plain.file).vectors[0])


def test_too_little_memory_for_a_single_example_ends_with_a_sentence(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = forgetful(monkeypatch, 0)
    sentence = r"too little memory on cpu for a single example, 4096 bytes more are needed: .*nothing had been saved"
    with pytest.raises(TrainingError, match=sentence):
        list(run_training(quick.changed(batch_size=4)))
    assert tried == [4, 2, 1, 1]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 16, 17, 64, 100, 255, 256])
def test_a_batch_of_any_size_is_given_up_after_six_tries(
    tiny_components: Components,
    photos: list[Photo],
    quick: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
) -> None:
    events = lesson(tiny_components, photos, quick, run_folder=tmp_path)
    wanted = next(said for said in events if isinstance(said, answer.Wanted))
    events.close()
    plan = dataclasses.replace(wanted.run.plan, batch_size=batch_size)
    tried = forgetful(monkeypatch, 0)
    with pytest.raises(TrainingError, match="for a single example"):
        answer.answer_of(dataclasses.replace(wanted, run=dataclasses.replace(wanted.run, plan=plan)))
    assert tried[0] == batch_size
    assert tried[-1] == 1
    assert tried[:-1] == sorted(set(tried), reverse=True)
    assert len(tried) <= 6
    wanted.run.components.unet.disable_gradient_checkpointing()


def test_torchs_own_words_for_too_little_memory_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**14)
    assert is_out_of_memory(caught.value)
    assert "400000000000000 bytes more are needed" in answer._needed(caught.value)
    on_cuda = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 8 GiB in all.")
    assert answer._needed(on_cuda) == ", 2.00 GiB more are needed"
    assert answer._needed(torch.OutOfMemoryError("out of memory")) == ""


def test_other_errors_are_nobody_elses_business(
    run_training: Start, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients(*_: object) -> object:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(answer, "gradients", gradients)
    with pytest.raises(RuntimeError, match="shapes"):
        list(run_training(quick))
