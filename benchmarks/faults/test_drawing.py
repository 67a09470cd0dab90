"""Thousands of drawings, and drawing and learning with no network at all: run by `python -m benchmarks.hostile`."""

import json
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
import json, socket, sys, time
from pathlib import Path

asked, waits = [], {}
look_up, connect = socket.getaddrinfo, socket.socket.connect
def getaddrinfo(host, *arguments, **named):
    asked.append(host)
    return look_up(host, *arguments, **named)
def connect_to(self, address):
    if self.family != socket.AF_UNIX:
        asked.append(address)
    return connect(self, address)
socket.getaddrinfo, socket.socket.connect = getaddrinfo, connect_to

def slept():  # when this thread neither ran nor stood in the queue for a processor, however busy that is
    ran, stood, _ = map(int, Path("/proc/thread-self/schedstat").read_text().split())
    return time.monotonic() - (ran + stood) / 1e9

def told_by_the_kernel():  # attempts to reach anybody, also of code that is not Python
    names, figures = (line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines()[:2])
    return int(dict(zip(names, figures))["OutNoRoutes"])

def timed(what, work):
    before = slept()
    work()
    waits[what] = slept() - before

def first_page():
    from fastapi.testclient import TestClient
    from retrato.server import create_app
    from retrato.settings import ServerSettings
    from retrato.studio import Studio
    app = create_app(Studio.open(model, device="cpu"), ServerSettings())
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        assert client.get("/").status_code == 200

model, photos, out = sys.argv[1:]
common = ["--model", model, "--device", "cpu"]
def run(*command, codes=(0,)):
    from retrato.cli import main
    assert main([*command, *common]) in codes

timed("train", lambda: run("train", photos, "--name", "ana-t1", "--steps", "2", "--batch-size", "1"))
timed("generate", lambda: run("generate", "a photo of ana-t1", "--steps", "1", "--size", "64x64", "--out", out))
timed("doctor", lambda: run("doctor", codes=(0, 1)))
first_page()  # in other threads, which are not timed
attempts = told_by_the_kernel()
try:
    connect(socket.socket(), ("192.0.2.1", 80))
except OSError:
    assert told_by_the_kernel() == attempts + 1
print(json.dumps({"asked": asked, "attempts": attempts, "waits": waits}))
"""


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="needs Linux's /proc")
def test_without_a_network_it_learns_draws_and_opens_the_page_asks_nobody_and_waits_for_nothing(
    tiny_folder: Path, photos: Path
) -> None:
    """In a network namespace with nobody in it: at most a second asleep in each command, the disk's waits included.

    One thread computes: two wait for each other wherever something else runs beside them.
    """
    home = photos.parent / "home"
    unshared = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let go of its network")
    ran = subprocess.run(
        [*unshared, sys.executable, "-c", SCRIPT, str(tiny_folder), str(photos), str(home / "out")],
        env={**os.environ, "RETRATO_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    said = json.loads(ran.stdout.splitlines()[-1])
    assert (said["asked"], said["attempts"]) == ([], 0)
    assert set(said["waits"]) == {"train", "generate", "doctor"}
    assert max(said["waits"].values()) < 1
