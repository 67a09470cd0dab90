"""Turns values into what JSON can hold. Knows nothing of where it is shown or stored."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path


def plain(value: object, *, root: Path | None = None) -> object:
    """Gives `value` as JSON can hold it: paths as texts, dataclasses as objects, NaN and infinity as null.

    Paths below `root`, also by its other name where it is behind a link, are given relative to it, with `/` between
    their parts. Raises TypeError for what has no place.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), root=root) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each, root=root) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, root=root) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return _called(value, root) if root else str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _called(path: Path, root: Path) -> str:
    if not path.is_relative_to(root):
        root = root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def texts(value: object) -> Iterator[str]:
    """Gives all texts in plain data, the keys of objects too, as they are read and not as JSON writes them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
