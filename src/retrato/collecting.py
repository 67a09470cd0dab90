"""Python's garbage collector, out of the way while much is made that stays. Knows nothing of what that is.

It looks at all objects again whenever their number has grown by a quarter, and at the new ones after every 700:
a third of the processor's time until a first picture, for nothing, as modules and weights are no garbage.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """While open, nothing is collected, in any thread; what nothing refers to is freed at once, as always.

    For imports and for reading a model. Where somebody has turned the collector off, it stays off.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
