"""Runs every fault injection and every hostile input that the tests know, and says how many were tried and survived.

python -m benchmarks.hostile              all of them; ends with 1 where anything was lost
python -m benchmarks.hostile --list       only says what would be run

What counts is named in `KINDS`: where a test lies, and what its name says that it does. So a new test counts as soon as
it is written. A test of properties tries many inputs; each of them counts. A table, then one line of JSON.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.main_job import circumstances

ROOT = Path(__file__).parents[1]
# A test counts for the first kind whose two patterns, of its file and of its name, are both found.
KINDS = {
    "requests and pages": (
        r"/(server|web|gallery)",
        r"hostile|refus|foreign|cross|origin|host|forg|malform|too_(large|long|many)|path|script|escape|auth|denied",
    ),
    "interruption, damage, full disks": (
        r"/(training/test_|hypernetworks|jobs|test_files|test_studio|end_to_end)",
        r"interrupt|terminat|kill|crash|full_disk|cannot_be_written|damag|a_cut_|flipped|no_number|are_none|half_written|"
        r"survives|stops_listening|resumed|resuming|restart|failed_rename|not_meet|library_refuses|ways_back|last_good",
    ),
    "files": (
        r"/(embeddings|photos|hypernetworks|model|families|test_embeddings|test_photos|golden)",
        r"hostile|refus|truncat|damag|spoil|broken|chance_bytes|cut_off|every_cut|runs_nothing|lying|strange|evil|bomb|inflat|unpack|"
        r"too_many|is_a_path|not_a_picture|zero_bytes",
    ),
    "prompts, names and other texts": (
        r"/(prompts|generation|settings|properties|cli|golden|evaluation|styles)",
        r"hostile|refus|any_text|any_name|nothing_but|bounded|no_faster|raises_nothing|wrong|names_that|depth|very_long",
    ),
}
_EXAMPLES = re.compile(r"(\d+) passing(?: examples?)?, (\d+) failing")


@dataclass(slots=True)
class Record:
    """A pytest plugin that keeps the tests of `KINDS` and counts what becomes of them, by kind."""

    tests: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves only those that count."""
        others = [item for item in items if kind_of(item.nodeid) is None]
        items[:] = [item for item in items if kind_of(item.nodeid)]
        config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):  # type: ignore[no-untyped-def]
        """Counts the end of a test, or of its preparation where that failed."""
        outcome = yield
        report = outcome.get_result()
        if report.skipped or (report.when != "call" and report.passed):
            return
        kind = kind_of(item.nodeid) or "?"
        found = [(int(passing), int(failing)) for passing, failing in _EXAMPLES.findall(_statistics(item))]
        passing, failing = (sum(column) for column in zip(*found, strict=True)) if found else (1, 0)
        self.tests[kind] += 1
        self.tried[kind] += max(1, passing + failing)
        if report.passed:
            self.survived[kind] += passing
        else:
            self.survived[kind] += passing if found else 0
            self.lost.append(item.nodeid)


def _statistics(item: pytest.Item) -> str:
    """Gives what Hypothesis says about a test of properties: how many inputs it tried."""
    return str(getattr(item, "hypothesis_statistics", ""))


def kind_of(nodeid: str) -> str | None:
    """Gives the kind that a test counts for."""
    file, _, name = nodeid.partition("::")
    return next(
        (kind for kind, (where, what) in KINDS.items() if re.search(where, f"/{file}") and re.search(what, name)), None
    )


def run(paths: Sequence[str], *more: str) -> Record:
    """Runs what counts under `paths` and gives the record."""
    record = Record()
    quiet = ("-q", "--no-header", "-p", "no:cacheprovider", "--tb=short", "--hypothesis-show-statistics")
    pytest.main([*paths, *quiet, *more], plugins=[record])
    return record


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="only list the tests")
    options = parser.parse_args()
    folders = [str(ROOT / "tests" / name) for name in ("unit", "golden", "properties", "end_to_end")]
    if options.list:
        run(folders, "--collect-only")
        return
    record = run(folders)
    print(f"\n{'kind':36}{'tests':>8}{'tried':>8}{'survived':>10}{'lost':>6}")
    for kind in KINDS:
        tried, survived = record.tried[kind], record.survived[kind]
        print(f"{kind:36}{record.tests[kind]:8}{tried:8}{survived:10}{tried - survived:6}")
    tried, survived = record.tried.total(), record.survived.total()
    print(f"{'all':36}{record.tests.total():8}{tried:8}{survived:10}{tried - survived:6}")
    figures = {"tests": dict(record.tests), "tried": tried, "survived": survived, "lost": record.lost}
    print(json.dumps({**circumstances(), **figures}))
    raise SystemExit(1 if record.lost or not tried else 0)


if __name__ == "__main__":
    main()
