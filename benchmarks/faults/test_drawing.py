"""Thousands of drawings, and drawing and learning with no network at all: run by `python -m benchmarks.hostile`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrato.embeddings import Embedding, EmbeddingLibrary, write_embedding
from retrato.settings import GenerateSettings
from retrato.studio import Studio

DRAWINGS = 2000
LOADS = 200
MOST_GROWTH = 1.05


def memory() -> int:
    """Gives the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files() -> int:
    """Gives how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_two_thousand_drawings_take_no_more_memory_than_two_hundred(studio: Studio, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    settings = GenerateSettings(prompt="a cat", steps=1, width=64, height=64, guidance_scale=1, seed=0)
    people = tmp_path / "people"
    for number in range(LOADS):
        vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(number))
        write_embedding(Embedding(f"ana-{number}", (vectors,)), people / f"ana-{number}.safetensors")
    early = (0, 0)
    for number in range(DRAWINGS):
        for image in studio.draw(settings.changed(seed=number, prompt=f"a cat {number % 100}")):
            image.save(tmp_path / "out")
        if number % (DRAWINGS // LOADS * 20) == 0:
            assert len(EmbeddingLibrary(people)) == LOADS
        if number == DRAWINGS // 10:
            early = memory(), files()
    assert memory() <= early[0] * MOST_GROWTH, (early, memory())
    assert files() <= early[1], (early, files())


SCRIPT = """
import socket, sys, time
from pathlib import Path
asked = []
def look_up(host, *arguments, **named):
    asked.append(host)
    raise OSError("no network")
socket.getaddrinfo = look_up
connect = socket.socket.connect
def refuse(self, address):
    if self.family != socket.AF_UNIX:
        asked.append(address)
        raise OSError("no network")
    return connect(self, address)
socket.socket.connect = refuse
from retrato.cli import main
model, photos, out = sys.argv[1:]
common = ["--model", model, "--device", "cpu"]
assert main(["train", photos, "--name", "ana-t1", "--steps", "2", "--batch-size", "1", *common]) == 0
assert main(["generate", "a photo of ana-t1", "--steps", "1", "--size", "64x64", "--out", out, *common]) == 0
assert main(["doctor", "--model", model, "--device", "cpu"]) in (0, 1)
print("asked", asked)
"""


def test_without_a_network_it_learns_and_draws_and_asks_nobody(tiny_folder: Path, photos: Path) -> None:
    home = photos.parent / "home"
    unshared = ["unshare", "--net", "--map-root-user"]
    can = subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode == 0
    ran = subprocess.run(
        [*(unshared if can else []), sys.executable, "-c", SCRIPT, str(tiny_folder), str(photos), str(home / "out")],
        env={**os.environ, "RETRATO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "asked []"
