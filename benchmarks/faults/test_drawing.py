"""Thousands of drawings, and drawing and learning with no network at all: run by `python -m benchmarks.hostile`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import soak
from retrato.studio import Studio


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_two_thousand_drawings_take_no_more_memory_than_two_hundred(tmp_path: Path) -> None:
    soaked = soak(Studio.open("mini", home=tmp_path, device="cpu"), 2000, 200)
    assert soaked.passed, soaked


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
