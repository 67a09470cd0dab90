"""Counts what a training step does: operations, and bytes kept for going backward. Knows torch alone."""

import contextlib
import gc
from dataclasses import dataclass

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Count:
    """What one step does: operations (two for a multiplication with addition), and bytes kept for going backward."""

    giga_operations: float
    kept_mega_bytes: float


class Counter:
    """Counts while open, in the thread that opens it; weights, which are kept anyway, do not count."""

    def __init__(self) -> None:
        weights = (each for each in gc.get_objects() if type(each) is torch.nn.Parameter)
        self._weights = {each.untyped_storage().data_ptr() for each in weights}
        self._flops, self._kept = FlopCounterMode(display=False), dict[int, int]()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Counter":
        self._open.enter_context(self._flops)
        self._open.enter_context(saved_tensors_hooks(self._keep, lambda tensor: tensor))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def count(self) -> Count:
        """Gives what was counted."""
        return Count(self._flops.get_total_flops() / 1e9, sum(self._kept.values()) / 1e6)
