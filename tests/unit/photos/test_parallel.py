import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from retrato.photos import parallel
from retrato.photos.parallel import processes_for, spread


def doubled(item: int) -> int:
    return item * 2


def fatal(item: int, deadly: int) -> int:
    if item == deadly:
        os._exit(9)
    return item * 2


def marked(item: int, folder: Path) -> int:
    (folder / str(item)).touch()
    return item


def failing(item: int) -> int:
    raise ValueError(item)


def lost(item: int) -> int:
    return -item


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes: int) -> None:
    assert list(spread(doubled, range(9), processes, lost)) == list(range(0, 18, 2))


def test_a_process_that_dies_costs_one_item() -> None:
    assert list(spread(partial(fatal, deadly=3), range(6), 2, lost)) == [0, 2, 4, -3, 8, 10]


def test_errors_of_the_work_are_raised() -> None:
    with pytest.raises(ValueError, match="0"):
        list(spread(failing, range(3), 2, lost))


def test_no_more_than_two_a_process_are_begun_before_their_turn(tmp_path: Path) -> None:
    results = spread(partial(marked, folder=tmp_path), range(40), 2, lost)
    assert next(results) == 0
    time.sleep(0.5)  # enough for many more of these, if anybody asked for them
    assert len(list(tmp_path.iterdir())) <= 4
    results.close()


def test_few_items_are_done_in_this_process() -> None:
    assert processes_for(3) == 1
    assert processes_for(100) >= 1


def test_windows_gets_no_more_processes_than_it_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concurrent.futures.process._MAX_WINDOWS_WORKERS", 61)
    monkeypatch.setattr("concurrent.futures.process.sys.platform", "win32")  # where Python looks
    for is_windows in (False, True):
        monkeypatch.setattr(parallel, "WINDOWS", is_windows)
        if not is_windows:
            with pytest.raises(ValueError, match="max_workers must be <= 61"):
                parallel._pool(doubled, 64)
        else:
            assert parallel._pool(doubled, 64)._max_workers == 61
            assert parallel._pool(doubled, 2)._max_workers == 2


def test_ctrl_c_and_windows_ctrl_break_are_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    kinds = (signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(kind) for kind in kinds]
    try:
        parallel._leave_interrupting_to_the_parent()
        assert [signal.getsignal(kind) for kind in kinds] == [signal.SIG_IGN] * 2
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
