import gc
import weakref
from collections.abc import Iterator

import pytest

from retrato.collecting import without_collecting


class Ring:
    """Refers to itself, so only the collector can free it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.enable()


def make_garbage() -> "weakref.ref[Ring]":
    ring = weakref.ref(Ring())
    _ = [[] for _ in range(10 * gc.get_threshold()[0])]  # the collector would have looked by now
    return ring


def test_garbage_waits_until_the_end() -> None:
    with without_collecting():
        ring = make_garbage()
        assert ring() is not None
    gc.collect()
    assert ring() is None
    assert make_garbage()() is None  # by itself again


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(KeyError), without_collecting():
        raise KeyError
    assert gc.isenabled()


def test_one_inside_another_does_not_end_it() -> None:
    with without_collecting():
        with without_collecting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_where_somebody_has_turned_it_off_it_stays_off() -> None:
    gc.disable()
    with without_collecting():
        pass
    assert not gc.isenabled()
