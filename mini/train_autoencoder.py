"""Trains the autoencoder (f = 8, 8 latent channels) on whole pictures.

python -m mini.train_autoencoder --steps 12000 --work mini/work      Ctrl-C or SIGTERM saves; run again to go on

Whole pictures, not crops: the statistics of GroupNorm differ. Two norm groups: with eight, narrow layers lose the
absolute colour. The first `--small` share of the steps sees pictures of half the size, twice as many at a time: from
nothing, colours take thousands of steps to come, and each is half as long that way.
"""

import argparse
import functools
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from mini.weights import Clock, FlatWeights, mixed_precision, rate_at, run

VALIDATION = 256  # the last pictures of the set are never trained on


def make_autoencoder(channels: int = 8, widths: tuple[int, ...] = (16, 32, 64, 128), size: int = 128) -> AutoencoderKL:
    """An untrained autoencoder without attention; 2.6 million weights by default."""
    return AutoencoderKL(
        3, 3, ("DownEncoderBlock2D",) * len(widths), ("UpDecoderBlock2D",) * len(widths), widths, layers_per_block=1,
        latent_channels=channels, norm_num_groups=2, sample_size=size, mid_block_add_attention=False, scaling_factor=1.0,
    )  # fmt: skip


def pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float [B, 3, H, W] in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def psnr(model: AutoencoderKL, images: np.ndarray) -> float:
    """Mean PSNR in dB of reconstructions from the latents' mean, picture by picture."""
    found = []
    with torch.no_grad():
        for start in range(0, len(images), 16):
            x = pixels(images[start : start + 16]).to(model.device)
            y = model.decode(model.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
            found += (10 * torch.log10(4 / (x - y).square().mean((1, 2, 3)))).tolist()
    return sum(found) / len(found)


def train(rank: int, weights: FlatWeights, model: AutoencoderKL, options: argparse.Namespace) -> None:
    """One process: draws pictures, reconstructs them, steps; rank 0 saves and reports."""
    device = options.device
    torch.set_num_threads(1 if weights.world > 1 else torch.get_num_threads())
    weights.attach(list(model.parameters()), rank)
    images = np.load(options.work / "images.npy", mmap_mode="r")
    count, held_out = len(images) - VALIDATION, images[-48:]
    numbers = np.random.default_rng([weights.steps, rank])
    torch.manual_seed(1000003 * weights.steps + rank)
    clock, begin, first, losses = Clock(options.every), time.time(), weights.steps, []
    while weights.steps < options.steps and not weights.stopping:
        small = weights.steps < options.small * options.steps
        drawn = numbers.integers(0, count, options.batch * (2 if small else 1) // weights.world)
        x = pixels(images[np.sort(drawn)]).to(device)
        if small:
            x = functional.avg_pool2d(x, 2)
        with mixed_precision(device):
            latents = model.encode(x).latent_dist
            mean, logvar = latents.mean.float(), latents.logvar.float()
            y = model.decode(mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)).sample.float()
        error = y - x
        edges = sum((error.diff(dim=d)).abs().mean() for d in (2, 3))
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / x[0].numel()
        squared = error.square().mean()
        (error.abs().mean() + 2 * squared + 0.5 * edges + 5e-4 * kl).backward()
        weights.step(rate_at(weights.steps, options.steps, options.rate, flat=0.15), decay=1e-4, keep=0.995)
        losses.append(squared.item())
        if rank == 0 and clock.due():
            seconds = time.time() - begin
            print(
                f"{seconds:.0f} s, step {weights.steps}, training PSNR {10 * math.log10(4 / np.mean(losses[-200:])):.2f}, "
                f"held out {psnr(model, held_out):.2f} dB, {(weights.steps - first) / seconds:.2f} steps/s", flush=True,
            )  # fmt: skip
            weights.save(options.work / "autoencoder.pt")
    if rank == 0:
        weights.save(options.work / "autoencoder.pt")
        weights.flat.copy_(weights.average)
        print(
            f"step {weights.steps}, held out {psnr(model, images[-VALIDATION:]):.2f} dB with averaged weights",
            flush=True,
        )
        model.save_pretrained(options.work / "autoencoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--every", type=float, default=90, help="seconds between reports and saved states")
    parser.add_argument("--init", type=Path, help="start from this autoencoder's weights (a diffusers folder)")
    parser.add_argument("--small", type=float, default=0.6, help="share of the steps with pictures of half the size")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each, on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = (
        AutoencoderKL.from_pretrained(options.init, torch_dtype=torch.float32) if options.init else make_autoencoder()
    )
    model.to(options.device, memory_format=torch.channels_last)
    weights = FlatWeights(model.parameters(), options.processes if options.device == "cpu" else 1, options.device)
    if (options.work / "autoencoder.pt").exists():
        weights.restore(options.work / "autoencoder.pt")
    run(functools.partial(train, model=model, options=options), weights)


if __name__ == "__main__":
    main()
