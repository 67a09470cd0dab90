from pathlib import Path

import psutil
import pytest
import torch

from retrato.model.memory import GIB, available_memory, save_memory


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


def test_cached_files_do_not_count_as_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"MemTotal": 100, "MemFree": 1, "MemAvailable": 80, "Buffers": 0, "Cached": 79}
    said |= dict.fromkeys(("Shmem", "Active", "Inactive"), 0)
    (tmp_path / "meminfo").write_text("".join(f"{name}: {size} kB\n" for name, size in said.items()))
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert available_memory(torch.device("cpu")) == 80 * 1024
    assert available_memory(torch.device("mps")) == 100 * 1024
