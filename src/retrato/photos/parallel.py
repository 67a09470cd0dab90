"""The same work on many items in several processes, with the results in order.

Knows neither photos nor files. What goes to a process and comes back must be picklable.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from retrato.files import WINDOWS

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_PROCESSES = 8
_AHEAD = 2  # items per process that are begun or done before their turn: they bound the memory
_FEWEST_ITEMS = 8  # below, starting processes takes longer than it saves


def processes_for(count: int) -> int:
    """Gives how many processes are worth while for `count` items on this machine's free cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES) if count >= _FEWEST_ITEMS else 1


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, lost: Callable[[Item], Result]
) -> Iterator[Result]:
    """Gives `work(item)` for each item, in their order; with one process, in this one.

    `lost(item)` stands for an item whose process died of it (killed for its memory, a fault in a decoder); the others
    are done all the same. An exception of `work` is raised. Scripts that ask for more than one process need the usual
    `if __name__ == "__main__":`, as the processes do not come from this one (threads of torch would not survive a
    fork) but from a server that imports what `work` needs once, or, where there is none (Windows), are started anew.
    """
    if processes <= 1 or len(items) < 2:
        yield from map(work, items)
        return
    waiting, begun = deque(items), deque[tuple[Item, Future[Result]]]()
    pool = _pool(work, processes)
    try:
        while waiting or begun:
            while waiting and len(begun) < processes * _AHEAD:
                try:
                    future = pool.submit(work, waiting[0])
                except BrokenProcessPool:
                    break
                begun.append((waiting.popleft(), future))
            result, is_whole = _next(work, begun, waiting, lost)
            if not is_whole:
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _pool(work, processes)
            if result is not None:
                yield result[0]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next(
    work: Callable[[Item], Result],
    begun: deque[tuple[Item, "Future[Result]"]],
    waiting: deque[Item],
    lost: Callable[[Item], Result],
) -> tuple[tuple[Result] | None, bool]:
    """Gives the next result, and whether the processes are whole; if one died, all that was begun waits again."""
    if not begun:
        return None, False
    item, future = begun.popleft()
    try:
        return (future.result(),), True
    except BrokenProcessPool:
        waiting.extendleft(each for each, _ in reversed(begun))
        begun.clear()
    with _pool(work, 1) as alone:
        try:
            return (alone.submit(work, item).result(),), False
        except BrokenProcessPool:
            return (lost(item),), False


def _pool(work: Callable[[Item], Result], processes: int) -> ProcessPoolExecutor:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    function = work.func if isinstance(work, partial) else work
    context.set_forkserver_preload(["__main__", function.__module__])  # what a server that runs has loaded stays so
    if WINDOWS:
        processes = min(processes, 61)  # it can wait for no more at once, and Python refuses them
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_interrupting_to_the_parent)


def _leave_interrupting_to_the_parent() -> None:
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
