"""Loads a server: clients that poll, drawings that queue up, one restart by kill -9. A table, then one line of JSON.

python benchmarks/server_load.py                    50 clients, 200 drawings of 64x64 in one step on retrato-mini
python benchmarks/server_load.py --soak 2000        and so many drawings more, for the memory

Says whether anything was lost or done twice, how long polls took, and the server's memory and open files on the way.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ORDER = {"kind": "draw", "settings": {"prompt": "a portrait", "steps": 1, "width": 64, "height": 64, "seed": 1}}


def main() -> None:
    """Runs it once and prints what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--drawings", type=int, default=200)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retrato-load-") as home:
        figures = run(Path(home), options.model, options.clients, options.drawings + options.soak)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def run(home: Path, model: str, clients: int, drawings: int) -> dict[str, Any]:
    """Gives the figures."""
    server, url = start(home, model)
    started = time.perf_counter()
    jobs = [call(f"{url}api/v1/jobs", ORDER)["id"] for _ in range(drawings)]
    ordered = time.perf_counter() - started
    polls: list[float] = []
    stop = threading.Event()
    watchers = [threading.Thread(target=poll, args=(lambda: url, stop, polls), daemon=True) for _ in range(clients)]
    for watcher in watchers:
        watcher.start()
    listen(f"{url}api/v1/jobs/{jobs[drawings // 5]}/events")
    early = memory(server.pid)
    listen(f"{url}api/v1/jobs/{jobs[drawings // 2]}/events")
    before_kill = memory(server.pid)
    server.kill()
    server.wait()
    server, url = start(home, model)
    listen(f"{url}api/v1/jobs/{jobs[drawings // 2 + drawings // 5]}/events")
    restarted = memory(server.pid)
    listen(f"{url}api/v1/jobs/{jobs[-1]}/events")
    late = memory(server.pid)
    stop.set()
    for watcher in watchers:
        watcher.join()
    seconds = time.perf_counter() - started
    found = [call(f"{url}api/v1/jobs/{job}") for job in jobs]
    histories = [call(f"{url}api/v1/jobs/{job}/history") for job in jobs]
    server.terminate()
    server.wait()
    ended = [job["ended"] for job in found]
    return {
        "clients": clients,
        "drawings": drawings,
        "done": sum(job["state"] == "done" for job in found),
        "done_twice": sum(sum(event["kind"] == "done" for event in history) > 1 for history in histories),
        "pictures": sum(event["kind"] == "drawn" for history in histories for event in history),
        "order_kept": ended == sorted(ended),
        "order_seconds": round(ordered, 2),
        "seconds": round(seconds, 1),
        "polls": len(polls),
        "poll_median_ms": round(1000 * statistics.median(polls), 1),
        "poll_99th_ms": round(1000 * statistics.quantiles(polls, n=100)[98], 1),
        "memory_mb": [early[0], before_kill[0], restarted[0], late[0]],
        "open_files": [early[1], before_kill[1], restarted[1], late[1]],
    }


def start(home: Path, model: str) -> tuple[subprocess.Popen[str], str]:
    """Gives a server and its address."""
    command = [sys.executable, "-m", "retrato", "serve", "--port", "0", "--model", model, "--json"]
    environment = {**os.environ, "RETRATO_HOME": str(home)}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["url"]


def poll(url: Callable[[], str], stop: threading.Event, took: list[float]) -> None:
    """Asks for progress twice a second, as A1111's clients do, also while there is no server."""
    while not stop.wait(0.5):
        started = time.perf_counter()
        try:
            call(f"{url()}sdapi/v1/progress")
        except OSError:
            continue
        took.append(time.perf_counter() - started)


def listen(url: str) -> None:
    """Returns when the job is over."""
    with urllib.request.urlopen(url, timeout=3600) as stream:
        for _ in stream:
            pass


def call(url: str, body: Any = None) -> Any:
    """Gives the answer of the server."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def memory(process: int) -> tuple[int, int]:
    """Gives the resident memory in MB and the number of open files of a process, from Linux's /proc."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000, len(list(Path(f"/proc/{process}/fd").iterdir()))


if __name__ == "__main__":
    main()
