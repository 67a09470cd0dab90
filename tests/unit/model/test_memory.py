import copy
from pathlib import Path

import psutil
import pytest
import torch

from retrato.errors import ModelError
from retrato.model import Components
from retrato.model.memory import (
    GIB,
    Room,
    available_memory,
    in_parts,
    is_out_of_memory,
    save_memory,
    use_small_tiles,
)


class Model:
    def __init__(self) -> None:
        self.switched: list[str] = []

    def __getattr__(self, name: str) -> object:
        return lambda *_: self.switched.append(name)


@pytest.mark.parametrize(
    ("device", "gib", "vae", "unet"),
    [
        ("cuda", 24, [], []),
        ("cuda", 4, ["enable_tiling", "enable_slicing"], []),
        ("mps", 64, [], []),
        ("mps", 16, ["enable_tiling", "enable_slicing"], ["set_attention_slice"]),
        ("cpu", 16, [], []),
        ("cpu", 2, ["enable_tiling", "enable_slicing"], []),
    ],
)
def test_only_small_memories_pay_with_time(device: str, gib: int, vae: list[str], unet: list[str]) -> None:
    models = Model(), Model()
    said = save_memory(*models, torch.device(device), gib * GIB)
    assert (models[0].switched, models[1].switched) == (unet, vae)
    assert len(said) == bool(vae) + bool(unet)


def test_of_a_gpus_memory_the_weights_are_gone() -> None:
    for device, tiles in (("cuda", True), ("xpu", True), ("mps", False), ("cpu", False)):
        models = Model(), Model()
        available = 10 * GIB if device != "mps" else 64 * GIB
        assert bool(save_memory(*models, torch.device(device), available, weights=8 * GIB)) == tiles


def test_a_vae_works_in_small_tiles_once(tiny_components: Components) -> None:
    vae = copy.deepcopy(tiny_components.vae)
    vae.tile_sample_min_size = 1024
    assert use_small_tiles(vae)
    assert (vae.use_tiling, vae.use_slicing, vae.tile_sample_min_size, vae.tile_latent_min_size) == (
        True,
        True,
        512,
        64,
    )
    assert not use_small_tiles(vae)


def test_rows_are_halved_until_they_have_room_and_that_is_remembered() -> None:
    tried, room, cpu = [], Room(), torch.device("cpu")

    def compute(at_once: int) -> torch.Tensor:
        tried.append(at_once)
        if at_once > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.tensor(at_once)

    assert [int(in_parts(compute, rows, room, cpu)) for rows in (12, 12, 2)] == [3, 3, 2]
    assert tried == [12, 6, 3, 3, 2]
    with pytest.raises(ModelError, match="too little memory on cpu for a single picture"):
        in_parts(lambda _: compute(4), 1, Room(), cpu)
    with pytest.raises(RuntimeError, match="shapes"):
        in_parts(lambda _: (_ for _ in ()).throw(RuntimeError("shapes do not fit")), 4, Room(), cpu)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GiB, other allocations: 384 KiB)"), True),
        (RuntimeError("Invalid buffer size: 16.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("x"), False),
    ],
)
def test_full_memory_is_known_in_the_words_of_each_device(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_cached_files_do_not_count_as_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"MemTotal": 100, "MemFree": 1, "MemAvailable": 80, "Buffers": 0, "Cached": 79}
    said |= dict.fromkeys(("Shmem", "Active", "Inactive"), 0)
    (tmp_path / "meminfo").write_text("".join(f"{name}: {size} kB\n" for name, size in said.items()))
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert available_memory(torch.device("cpu")) == 80 * 1024
    assert available_memory(torch.device("mps")) == 100 * 1024
