"""Makes a model go into little memory: attention in slices, the VAE in tiles, fewer rows at once.

All of it costs time, so only where needed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor

from retrato.errors import ModelError

Result = TypeVar("Result")

GIB = 1 << 30
SMALL_GPU = 6 * GIB  # beside the weights: the float32 VAE takes 5 GiB for one picture of 1024x1024 pixels
SMALL_TILES = (512, 256)  # pixels a side, where memory was too small for larger ones
SMALL_UNIFIED = 32 * GIB
HEADS_AT_ONCE = 2  # of attention on Apple GPUs: see `save_memory`
SMALL_MACHINE = 6 * GIB

# What full memory is called where torch raises a plain RuntimeError: by Apple's allocator and CUDA's own, by cuBLAS, on
# Intel GPUs, and by the processor's allocator on Windows and on Linux.
FULL = (
    *("out of memory", "invalid buffer size", "alloc_failed", "out_of_device_memory"),
    *("not enough memory", "can't allocate memory"),
    "unable to find an engine",  # cuDNN's, where no way to convolve has room
)


_BOUNDED: set[str] = set()  # kinds of devices; the allocators' bounds are the process's too


@dataclass(slots=True)
class Room:
    """How many `rows` of a batch have room in a device's memory at once; None as long as it was never full."""

    rows: int | None = None


def save_memory(unet: Any, vae: Any, device: torch.device, available: int | None = None, weights: int = 0) -> list[str]:
    """Switches on what `device` needs and gives one sentence for each; `available` bytes are measured where not given.

    Of a GPU's memory the bytes of the model's `weights` are gone. A small GPU decodes picture by picture, and in tiles
    once it says that it is full (see `with_small_tiles`); the main memory would not say so in time. Tiles change
    nothing up to the size that the VAE was trained on; larger pictures may differ a little at the seams. On Apple GPUs,
    whatever they have, attention with Stable Diffusion's 40 numbers a head is not fused: whole, its scores for four
    pictures of 512x512 take 4 GiB, and a tensor of more ends the process there (pytorch issue 149261).
    """
    found = available_memory(device) if available is None else available
    found -= weights if device.type in ("cuda", "xpu") else 0
    done = []
    limit = {"cuda": SMALL_GPU, "xpu": SMALL_GPU, "mps": SMALL_UNIFIED}.get(device.type, SMALL_MACHINE)
    if found < limit:
        is_told = device.type in ("cuda", "xpu")
        vae.enable_slicing()
        if not is_told:
            vae.enable_tiling()
        how = "picture by picture" if is_told else "in tiles"
        done.append(f"the VAE works {how}, as {device.type} has {max(0, found) / GIB:.0f} GiB of memory")
    if device.type == "mps":
        unet.set_attention_slice(HEADS_AT_ONCE)
        done.append("attention is computed in slices")
    return done


def in_parts(compute: Callable[[int], Tensor], rows: int, room: Room, device: torch.device) -> Tensor:
    """Gives `compute(at_once)`: what it makes of `rows` rows, of which `at_once` go through the model together.

    All do as long as memory is not full; then half of them, and half of that. `room` remembers what went, so that the
    next call need not find it out again. Raises ModelError where memory is too small for a single row.
    """
    while True:
        at_once = min(rows, room.rows or rows)
        try:
            return compute(at_once)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if at_once == 1 and not lift_bound(device):
                raise ModelError(
                    f"there is too little memory on {device} for a single picture: take a smaller size, close other "
                    "programs, or use a smaller model"
                ) from None
        room.rows = max(1, at_once // 2)  # beyond `except`, where the failed call's tensors are let go


def with_small_tiles(vae: Any, compute: Callable[[], Result]) -> Result:
    """Gives `compute()`, with `vae` in ever smaller parts from then on where memory is too small (see `work_in_less`).

    Raises ModelError where it is too small for the smallest.
    """
    while True:
        try:
            return compute()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            is_smaller = work_in_less(vae)
        if not is_smaller and not lift_bound(vae.device):  # beyond `except`, where the failed call's tensors are let go
            raise ModelError(
                f"there is too little memory on {vae.device} for the VAE: take a smaller size, or close other programs"
            )


def work_in_less(vae: Any) -> bool:
    """Lets `vae` work picture by picture, then in tiles of 512 and of 256 pixels; False where it does so already.

    One picture as a whole comes first: each tile is normalised by itself, so that larger pictures get seams.
    """
    if not vae.use_slicing:
        vae.enable_slicing()
        return True
    sides = [side for side in SMALL_TILES if not vae.use_tiling or vae.tile_sample_min_size > side]
    if not sides:
        return False
    vae.enable_tiling()
    vae.tile_sample_min_size = min(sides[0], vae.tile_sample_min_size)
    vae.tile_latent_min_size = vae.tile_sample_min_size // 2 ** (len(vae.config.block_out_channels) - 1)
    return True


def bound_memory(device: torch.device) -> None:
    """Lets the allocator say that `device` is full before the system quietly takes slower memory in its place.

    macOS swaps, and NVIDIA's driver on Windows goes on in the main memory: both many times slower than a smaller part
    of a batch would be. Where the smallest part has no room either, `lift_bound`.
    """
    if device.type == "mps" and "PYTORCH_MPS_HIGH_WATERMARK_RATIO" not in os.environ:
        torch.mps.set_per_process_memory_fraction(1.0)  # of what Metal recommends; torch's own bound is 1.7 times that
        _BOUNDED.add(device.type)
    is_windows = platform.system() == "Windows" or "microsoft" in platform.release().lower()  # or Linux within it
    if device.type == "cuda" and is_windows:
        free, total = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device)  # is this process's own to use
        torch.cuda.set_per_process_memory_fraction(min(1.0, free / total), device.index)  # "cuda" alone is refused
        _BOUNDED.add(device.type)


def lift_bound(device: torch.device) -> bool:
    """Allows the slower memory again; False where there was no bound."""
    if device.type not in _BOUNDED:
        return False
    _BOUNDED.discard(device.type)
    if device.type == "mps":
        torch.mps.set_per_process_memory_fraction(1.7)
    else:
        torch.cuda.set_per_process_memory_fraction(1.0, device.index)
    return True


def is_out_of_memory(error: Exception) -> bool:
    """Says whether `error` is that of a device, or of the processor's memory, that is full."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(words in said for words in FULL)


def available_memory(device: torch.device) -> int:
    """Gives the bytes that `device` has in all (a GPU) or that are free (the main memory)."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "xpu":
        return int(torch.xpu.get_device_properties(device).total_memory)
    memory = psutil.virtual_memory()
    return int(memory.total if device.type == "mps" else memory.available)  # pages that only cache files are available
