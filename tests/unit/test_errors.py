"""The drawing in the module's docstring is the tree, and exit codes are what the command line promises."""

import inspect
import re

import pytest

from retrato import errors
from retrato.errors import JobError, RetratoError, TrainingError

CLASSES = dict(inspect.getmembers(errors, inspect.isclass))


def test_the_drawing_shows_each_class_once() -> None:
    drawn = re.findall(r"^(?:├── |└── )?(\w+Error)\b", errors.__doc__ or "", flags=re.MULTILINE)
    assert sorted(drawn) == sorted(CLASSES)
    assert drawn[0] == "RetratoError"


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"RetratoError"}))
def test_every_error_hangs_directly_under_the_root_and_says_when_it_is_raised(name: str) -> None:
    assert CLASSES[name].__bases__ == (RetratoError,)
    assert CLASSES[name].__doc__.startswith("Raised when ")


def test_only_work_that_failed_on_the_way_exits_with_1() -> None:
    assert {name for name, kind in CLASSES.items() if kind.exit_code == 1} == {"TrainingError", "JobError"}
    assert {kind.exit_code for kind in CLASSES.values()} == {1, 2}
    assert TrainingError.exit_code == JobError.exit_code == 1
