"""Makes a model go into little memory: attention in slices, the VAE in tiles. Both cost time, so only where needed."""

from __future__ import annotations

from typing import Any

import psutil
import torch

GIB = 1 << 30
SMALL_GPU = 6 * GIB  # the float32 VAE takes 5 GiB for 1024x1024 pixels
SMALL_UNIFIED = 32 * GIB  # diffusers' advice for Apple GPUs, whose attention is not fused
SMALL_MACHINE = 6 * GIB


def save_memory(unet: Any, vae: Any, device: torch.device, available: int | None = None) -> list[str]:
    """Switches on what `device` needs and gives one sentence for each; `available` bytes are measured where not given.

    Tiles change nothing up to the size that the VAE was trained on; larger pictures may differ a little at the seams.
    """
    found = available_memory(device) if available is None else available
    done = []
    limit = {"cuda": SMALL_GPU, "xpu": SMALL_GPU, "mps": SMALL_UNIFIED}.get(device.type, SMALL_MACHINE)
    if found < limit:
        vae.enable_tiling()
        vae.enable_slicing()
        done.append(f"the VAE works in tiles, as {device.type} has {found / GIB:.0f} GiB of memory")
    if device.type == "mps" and found < limit:
        unet.set_attention_slice("auto")
        done.append("attention is computed in slices")
    return done


def available_memory(device: torch.device) -> int:
    """Gives the bytes that `device` has in all (a GPU) or that are free (the main memory)."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "xpu":
        return int(torch.xpu.get_device_properties(device).total_memory)
    memory = psutil.virtual_memory()
    return int(memory.total if device.type == "mps" else memory.available)  # pages that only cache files are available
