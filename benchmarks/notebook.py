"""Times the notebook from top to bottom with its own numbers, on the clock and in seconds of the processor.

python -m benchmarks.notebook

Runs it with nbclient in a kernel of its own, as Jupyter does; nothing is saved. A line for each cell that took a second
or more, then one line of JSON.
"""

import json
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.main_job import circumstances

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "personal_embedding.ipynb"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took: on the clock, of the processor (kernel and whatever it started), and each code cell's clock."""

    seconds: float
    processor_seconds: float
    cells: tuple[float, ...]


def run(notebook: nbformat.NotebookNode) -> Run:
    """Executes the notebook in an empty folder; raises CellExecutionError where a cell fails."""
    cells: list[float] = []
    started_cell = [0.0]

    def begin(**_: object) -> None:
        started_cell[0] = time.perf_counter()

    def end(**_: object) -> None:
        cells.append(time.perf_counter() - started_cell[0])

    before, started = _children(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=None,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            on_cell_execute=begin,
            on_cell_executed=end,  # on_cell_complete comes when a cell was sent, not when it ended
        )
        client.execute()
    return Run(time.perf_counter() - started, _children() - before, tuple(cells))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Runs it once and prints what it took."""
    took = run(nbformat.read(NOTEBOOK, as_version=4))
    for number, seconds in enumerate(took.cells):
        if seconds >= 1:
            print(f"code cell {number}: {seconds:.0f} s")
    print(f"all: {took.seconds:.0f} s on the clock, {took.processor_seconds:.0f} s of the processor")
    figures = {"seconds": round(took.seconds, 1), "processor_seconds": round(took.processor_seconds, 1)}
    print(json.dumps({**circumstances(), **figures}))


if __name__ == "__main__":
    main()
