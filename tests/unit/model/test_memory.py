import copy
import platform
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
    bound_memory,
    in_parts,
    is_out_of_memory,
    lift_bound,
    save_memory,
    with_small_tiles,
    work_in_less,
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
        ("cuda", 4, ["enable_slicing"], []),
        ("mps", 64, [], ["set_attention_slice"]),
        ("mps", 16, ["enable_slicing", "enable_tiling"], ["set_attention_slice"]),
        ("cpu", 16, [], []),
        ("cpu", 2, ["enable_slicing", "enable_tiling"], []),
    ],
)
def test_only_small_memories_pay_with_time(device: str, gib: int, vae: list[str], unet: list[str]) -> None:
    models = Model(), Model()
    said = save_memory(*models, torch.device(device), gib * GIB)
    assert (models[0].switched, models[1].switched) == (unet, vae)
    assert len(said) == bool(vae) + bool(unet)


def test_of_a_gpus_memory_the_weights_are_gone() -> None:
    for device, is_careful in (("cuda", True), ("xpu", True), ("mps", False), ("cpu", False)):
        unet, vae = Model(), Model()
        available = 10 * GIB if device != "mps" else 64 * GIB
        save_memory(unet, vae, torch.device(device), available, weights=8 * GIB)
        assert bool(vae.switched) == is_careful


def test_a_vae_works_in_ever_smaller_parts(tiny_components: Components) -> None:
    vae = copy.deepcopy(tiny_components.vae)
    vae.tile_sample_min_size = 1024
    found = []
    while work_in_less(vae):
        found.append((vae.use_slicing, vae.use_tiling and (vae.tile_sample_min_size, vae.tile_latent_min_size)))
    assert found == [(True, False), (True, (512, 64)), (True, (256, 32))]
    with pytest.raises(ModelError, match="too little memory on cpu for the VAE"):
        with_small_tiles(vae, lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")))


@pytest.mark.parametrize(
    ("device", "system", "release", "calls"),
    [
        ("mps", "Darwin", "24.1.0", [("mps", 1.0), ("mps", 1.7)]),
        ("cuda:1", "Windows", "11", [("cuda", 0.75), ("cuda", 1.0)]),
        ("cuda", "Linux", "5.15.167.4-microsoft-standard-WSL2", [("cuda", 0.75), ("cuda", 1.0)]),
        ("cuda", "Linux", "6.8.0", []),
        ("cpu", "Windows", "11", []),
    ],
)
def test_memory_is_full_before_the_system_takes_slower_memory(
    device: str, system: str, release: str, calls: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, float]] = []
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 1 * GIB)
    for kind in ("cuda", "mps"):
        bound = "set_per_process_memory_fraction"
        monkeypatch.setattr(getattr(torch, kind), bound, lambda share, *_, kind=kind: said.append((kind, share)))
    here = torch.device(device)
    bound_memory(here)
    tried = []

    def compute(at_once: int) -> torch.Tensor:
        tried.append(at_once)
        if len(tried) < 4:
            raise torch.OutOfMemoryError("out of memory")
        return torch.tensor(at_once)

    if calls:
        assert int(in_parts(compute, 4, Room(), here)) == 1
        assert tried == [4, 2, 1, 1], "once more where it takes longer, and no further"
    assert said == calls
    assert not lift_bound(here)


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:1", 1)])
def test_torch_takes_the_bound_of_a_gpu_without_a_number(
    device: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` chooses plain `cuda`, for which torch's own function asks for an index."""
    said: list[tuple[float, int]] = []
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (6 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda.memory, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch._C, "_cuda_setMemoryFraction", lambda *bound: said.append(bound), raising=False)
    bound_memory(torch.device(device))
    assert lift_bound(torch.device(device))
    assert said == [(0.75, number), (1.0, number)]


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
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
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
