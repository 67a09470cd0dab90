"""The frozen model, set up for fast gradients to the vectors, and put back as it was: the one place that decides how.

Knows nothing of photos and steps.

Measured: forward and backward of the embedded model's U-Net, one thread of a Xeon with AMX, median of six, in seconds:

    batch | fused attention, float32 | plain attention, float32 | fused, bfloat16 | plain, bfloat16
        1 |                  0.055 |                  0.057 |         0.073 |         0.065
        4 |                  0.138 |                        |               |         0.102
        8 |                  0.214 |                  0.241 |         0.214 |         0.144

The gradient in bfloat16 differs from that in float32 by 0.8 % with plain attention and by 1.4 % with fused attention.
Converting the weights once instead of at each use gains 2 % and doubles their memory; channels_last gains nothing.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from retrato.model import Components
from retrato.model.device import cpu_trains_in_bfloat16

LEAST_BATCH = 4
# Plain attention holds (cells x cells) numbers per head and picture: fine for 32x32 latents, not for 64x64.
MOST_CELLS = 32 * 32


@contextlib.contextmanager
def frozen(components: Components, batch_size: int, cells: int) -> Iterator[bool]:
    """While open, no weight of the model takes a gradient; on leaving, everything is as it was.

    Gives whether the U-Net is to run under bfloat16 autocast: on a CPU that multiplies bfloat16 itself, from a batch of
    four on, with plain attention. `cells` is the number of cells (height times width) of the latents. Several may be
    open at once and end in any order, as the trainings of a crowd do.
    """
    asked_gradients = [
        weight for module in components.modules for weight in module.parameters() if weight.requires_grad
    ]
    training = [module for module in components.modules if module.training]
    autocast = uses_bfloat16(components, batch_size, cells)
    unet, checkpoints = components.unet, components.unet.is_gradient_checkpointing
    try:
        for module in components.modules:
            module.requires_grad_(False)
            module.eval()
        with _plain_attention(components.unet) if autocast else contextlib.nullcontext():
            yield autocast
    finally:
        for weight in asked_gradients:
            weight.requires_grad_(True)
        for module in training:
            module.train()
        if unet.is_gradient_checkpointing and not checkpoints:  # memory was too small without it, see `answer_of`
            unet.disable_gradient_checkpointing()


@contextlib.contextmanager
def _plain_attention(unet: Any) -> Iterator[None]:
    """While open, attention is computed as plain products; the last of several to end puts back what was before."""
    from diffusers.models.attention_processor import AttnProcessor

    before = dict(unet.attn_processors)
    plain = next(iter(before.values()))
    if not hasattr(plain, "users"):
        plain = AttnProcessor()
        plain.users, plain.stands_for = 0, before
        unet.set_attn_processor(plain)
    plain.users += 1
    try:
        yield
    finally:
        plain.users -= 1
        if not plain.users:
            unet.set_attn_processor(plain.stands_for)


def uses_bfloat16(components: Components, batch_size: int, cells: int) -> bool:
    """Says whether bfloat16 on the CPU pays, see the table above; emulated it is slow, and further from float32."""
    if components.device.type != "cpu" or components.dtype != torch.float32:
        return False
    return cpu_trains_in_bfloat16() and batch_size >= LEAST_BATCH and cells <= MOST_CELLS
