"""Paths in plain data as they lie in the home folder, so that a home that was moved, or mounted elsewhere, has them.

Knows nothing of jobs.
"""

import os
from pathlib import Path
from typing import Any

IN_HOME = "in_home"  # the only key of the object that stands for a path


def packed(value: Any, home: Path) -> Any:
    """Gives plain data in which `{"in_home": "photos/local/ana"}` stands for each text that is a path inside `home`."""
    if isinstance(value, dict):
        return {name: packed(each, home) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [packed(each, home) for each in value]
    if isinstance(value, str):
        for root in (home.absolute(), home.resolve()):
            if value.startswith(f"{root}{os.sep}"):
                return {IN_HOME: value[len(str(root)) + 1 :].replace(os.sep, "/")}
    return value


def unpacked(value: Any, home: Path) -> Any:
    """Gives what `packed` was given, with paths as they are where `home` lies now."""
    if isinstance(value, dict):
        if value.keys() == {IN_HOME}:
            return str(home / value[IN_HOME])
        return {name: unpacked(each, home) for name, each in value.items()}
    return [unpacked(each, home) for each in value] if isinstance(value, list) else value
