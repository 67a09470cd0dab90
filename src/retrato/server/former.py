"""Gives `local` what earlier versions kept as `retrato`'s: what whoever had the link with the token sent and drew.

Once for each home folder, at a server's first start there: later somebody may be called so in `--auth`.
"""

import contextlib
import itertools
from collections.abc import Iterable
from pathlib import Path

from retrato.files import write_atomic
from retrato.gallery import Gallery
from retrato.jobs import LOCAL, JobQueue
from retrato.training.run_folder import RUNS

FORMER = "retrato"


def hand_over(home: Path, *, queue: JobQueue, gallery: Gallery, accounts: Iterable[str]) -> None:
    """Makes jobs, pictures and sets of photos of `retrato` those of `local`, unless that is one of the `accounts`.

    A set takes its name along, with a number where there is one called so. Where this is interrupted, the next start
    goes on with it. Raises OSError for a folder that cannot be moved; nothing is lost then. The caller holds the
    `worker_lock`.
    """
    if queue.was_handed_over():
        return
    if FORMER not in accounts:
        moves = list(_moves(home))
        names = {old.relative_to(home).as_posix(): new.relative_to(home).as_posix() for old, new in moves}
        queue.hand_over(FORMER, LOCAL, names)
        gallery.hand_over(FORMER, LOCAL)
        for told in [*(home / RUNS).glob("*/*/settings-*.json"), *(home / RUNS).glob("*/*/run.json")]:
            text = before = told.read_text("utf-8")
            for former, name in names.items():
                text = text.replace(f"/{former}/", f"/{name}/")
            if text != before:
                write_atomic(told, text)
        for old, new in moves:
            new.parent.mkdir(mode=0o700, exist_ok=True)
            old.rename(new)
        with contextlib.suppress(OSError):  # it is not there, or something else lies in it
            (home / "photos" / FORMER).rmdir()
    queue.mark_handed_over()


def _moves(home: Path) -> Iterable[tuple[Path, Path]]:
    """Yields where each set of photos lies, and a place for it that is free."""
    taken: set[Path] = set()
    for old in sorted((home / "photos" / FORMER).glob("*")):
        if old.is_dir():
            places = (
                home / "photos" / LOCAL / f"{old.name}{f'-{number}' * (number > 1)}" for number in itertools.count(1)
            )
            new = next(place for place in places if place not in taken and not place.exists())
            taken.add(new)
            yield old, new
