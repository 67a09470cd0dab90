"""Loads a server: clients that poll, drawings that queue up, one restart by kill -9. A table, then one line of JSON.

python -m benchmarks.server_load                    50 clients, 200 drawings of 64x64 in one step on retrato-mini
python -m benchmarks.server_load --soak 2000        and so many drawings more, for the memory
python -m benchmarks.server_load --clients 10 --drawings 30     a first impression

Says whether anything was lost or done twice, how long answers took, and the server's memory and open files on the way.
Ends with 1 where a job was lost, done twice or out of its order, where a client got a wrong answer, or where memory
grew by more than 5 % between the second fifth of a server's drawings and its last one.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.main_job import circumstances

ORDER = {"kind": "draw", "settings": {"prompt": "a portrait", "steps": 1, "width": 64, "height": 64, "seed": 1}}
MOST_GROWTH = 0.05


@dataclass(slots=True)
class Clients:
    """Clients that ask for progress twice a second, as A1111's do, also while there is no server."""

    count: int
    url: str = ""
    took: list[float] = field(default_factory=list)
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begins, one after the other within the first half second."""
        for number in range(self.count):
            thread = threading.Thread(target=self._poll, args=(0.5 * number / self.count,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Ends all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, first: float) -> None:
        self._stop.wait(first)
        while not self._stop.wait(0.5):
            started = time.perf_counter()
            try:
                answer = call(f"{self.url}sdapi/v1/progress")
                if not 0 <= answer["progress"] <= 1:
                    self.wrong.append(f"progress {answer['progress']}")
            except urllib.error.HTTPError as error:
                self.wrong.append(f"status {error.code}")
                continue
            except (OSError, http.client.HTTPException):  # nobody is at the port (any more)
                self.unanswered += 1
                continue
            self.took.append(time.perf_counter() - started)


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
    print(json.dumps({**circumstances(), **figures}))
    raise SystemExit(0 if figures["passed"] else 1)


def run(home: Path, model: str, count: int, drawings: int) -> dict[str, Any]:
    """Gives the figures; however it ends, no server is left."""
    with ExitStack() as servers:
        return measured_on(servers, home, model, count, drawings)


def measured_on(servers: ExitStack, home: Path, model: str, count: int, drawings: int) -> dict[str, Any]:
    """Gives the figures. The first server is killed in the middle, the second one does the rest."""
    half, clients = drawings // 2, Clients(count)
    server, clients.url = start(home, model, drawings)
    servers.callback(end, server)
    begun = time.perf_counter()
    first_page = timed(clients.url)
    jobs = [call(f"{clients.url}api/v1/jobs", ORDER)["id"] for _ in range(drawings)]
    ordered = time.perf_counter() - begun
    clients.start()
    found: list[Any] = []
    histories: list[Any] = []

    def until(place: int) -> tuple[int, int]:
        """Waits for the job at `place`, and asks for those up to it: a server forgets the oldest of very many."""
        measured = watch(server, clients.url, jobs[place])
        for job in jobs[len(found) : place + 1]:
            found.append(call(f"{clients.url}api/v1/jobs/{job}"))
            histories.append(call(f"{clients.url}api/v1/jobs/{job}/history"))
        return measured

    measured = [until(place) for place in (half // 5, 2 * half // 5, half)]
    page = timed(clients.url)
    server.kill()
    server.wait()
    server, clients.url = start(home, model, drawings)
    servers.callback(end, server)
    measured += [until(half + place) for place in (half // 5, 2 * half // 5)]
    measured.append(until(len(jobs) - 1))
    clients.stop()
    seconds = time.perf_counter() - begun
    server.terminate()
    server.wait()
    pictures = [event["data"]["file"] for history in histories for event in history if event["kind"] == "drawn"]
    memory = [each[0] for each in measured]
    growths = [memory[2] / memory[1] - 1, memory[5] / memory[4] - 1]
    facts = {
        "lost": drawings - sum(job["state"] == "done" for job in found),
        "done_twice": sum(sum(event["kind"] == "done" for event in history) > 1 for history in histories),
        "pictures": len({file for file in pictures if (home / file).is_file()}),
        "drawn_twice": len(pictures) - len(jobs),
        "order_kept": [job["ended"] for job in found] == sorted(job["ended"] for job in found),
        "wrong_answers": len(clients.wrong),
        "memory_growth": [round(growth, 4) for growth in growths],
    }
    return {
        "clients": count,
        "drawings": drawings,
        **facts,
        "passed": facts["lost"] == facts["done_twice"] == facts["drawn_twice"] == facts["wrong_answers"] == 0
        and facts["order_kept"]
        and facts["pictures"] == drawings
        and max(growths) <= MOST_GROWTH,
        "order_seconds": round(ordered, 2),
        "seconds": round(seconds, 1),
        "polls": len(clients.took),
        "polls_while_down": clients.unanswered,
        "poll_median_ms": round(1000 * statistics.median(clients.took), 1),
        "poll_99th_ms": round(1000 * statistics.quantiles(clients.took, n=100)[98], 1),
        "page_ms": [round(1000 * first_page), round(1000 * page)],
        "memory_mb": memory,
        "open_files": [each[1] for each in measured],
    }


def start(home: Path, model: str, drawings: int = 1000) -> tuple[subprocess.Popen[str], str]:
    """Gives a server in which so many `drawings` may wait, and its address."""
    command = [sys.executable, "-m", "retrato", "serve", "--port", "0", "--model", model, "--json"]
    command += ["--queue-length", str(drawings)]
    environment = {**os.environ, "RETRATO_HOME": str(home)}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["url"]


def end(server: subprocess.Popen[str]) -> None:
    """Sees to it that a server is gone."""
    server.kill()
    server.wait()


def watch(server: subprocess.Popen[str], url: str, job: str) -> tuple[int, int]:
    """Waits until the job is over, and gives the server's memory in MB and how many files it has open."""
    with urllib.request.urlopen(f"{url}api/v1/jobs/{job}/events", timeout=3600) as stream:
        for _ in stream:
            pass
    return memory(server.pid)


def timed(url: str) -> float:
    """Gives how many seconds the answer took."""
    started = time.perf_counter()
    with urllib.request.urlopen(url, timeout=120) as answer:
        answer.read()
    return time.perf_counter() - started


def call(url: str, body: Any = None) -> Any:
    """Gives the answer of the server."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def memory(process: int | str = "self") -> tuple[int, int]:
    """Gives the resident memory in MB and the number of open files of a process, from Linux's /proc."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000, len(list(Path(f"/proc/{process}/fd").iterdir()))


if __name__ == "__main__":
    main()
