"""Makes convolutions wrap around, so that a picture's left edge continues its right one. Knows nothing of sampling."""

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def wrapping_around(module: nn.Module) -> Iterator[None]:
    """While open, every convolution in `module` that pads does so with the opposite edge instead of zeros."""
    padded = [each for each in module.modules() if isinstance(each, nn.Conv2d) and each.padding != (0, 0)]
    before = [each.padding_mode for each in padded]
    for each in padded:
        each.padding_mode = "circular"
    try:
        yield
    finally:
        for each, mode in zip(padded, before, strict=True):
            each.padding_mode = mode
