"""Trains the autoencoder's decoder further; encoder, latents and U-Net stay as they are.

python -m mini.train_decoder --model src/retrato/model/mini --work mini/work    Ctrl-C or SIGTERM saves; run again to go on

Half of what it learns from are latents as the encoder made them, half what the U-Net makes of noisy ones, in one step and with
their caption: those are the errors that it meets when somebody draws. Errors count by their absolute value, so that where
several colours are possible the likeliest one is drawn and not the mean of all, and more on faces, as for the U-Net.
"""

import argparse
import functools
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel

from mini.train_autoencoder import VALIDATION, pixels, psnr
from mini.train_diffusion import noise_schedule, place_weights
from mini.weights import Clock, FlatWeights, half_is_fast, mixed_precision, rate_at, run

MOST_NOISE = 300  # of 1000: above it the U-Net invents what the picture does not show


class Guesses:
    """What the U-Net makes of noisy latents in one step."""

    def __init__(self, model: Path, device: str) -> None:
        self.unet = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32).to(device).eval()
        self.text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device).eval()
        if half_is_fast(device):
            self.unet.set_attn_processor(AttnProcessor())
        self.alphas = noise_schedule().alphas_cumprod.float().to(device)

    @torch.no_grad()
    def __call__(self, z: Tensor, tokens: Tensor, r: torch.Generator) -> Tensor:
        """Latents [B, C, h, w] and token ids [B, 77] -> latents, each after another amount of noise."""
        t = torch.randint(0, MOST_NOISE, (len(z),), generator=r).to(z.device)
        signal, sigma = self.alphas[t].sqrt()[:, None, None, None], (1 - self.alphas[t]).sqrt()[:, None, None, None]
        noisy = signal * z + sigma * torch.randn(z.shape, generator=r).to(z.device)
        with mixed_precision(z.device.type):
            velocity = self.unet(noisy, t, self.text(tokens)[0]).sample.float()
        return signal * noisy - sigma * velocity


def decoder_of(model: AutoencoderKL) -> list[torch.nn.Parameter]:
    """The weights that are trained: all that lie behind the latents."""
    return [*model.post_quant_conv.parameters(), *model.decoder.parameters()]


def train(rank: int, weights: FlatWeights, model: AutoencoderKL, guesses: Guesses, options: argparse.Namespace) -> None:
    """One process: latents, guesses, pictures, step; rank 0 saves and reports."""
    device, work = options.device, options.work
    torch.set_num_threads(1 if weights.world > 1 else torch.get_num_threads())
    weights.attach(decoder_of(model), rank)
    images = np.load(work / "images.npy", mmap_mode="r")
    latents = torch.from_numpy(np.load(work / "latents.npy"))
    ids = torch.from_numpy(np.load(work / "ids.npy").astype(np.int64))
    facts = [json.loads(line) for line in (work / "examples.jsonl").read_text().splitlines()]
    places = place_weights(facts, latents.shape[-1], mouth=6.0)
    batch, held_out = options.batch // weights.world, images[-VALIDATION:]
    r = torch.Generator().manual_seed(1000003 * weights.steps + rank + 1)
    clock, begin, first, losses = Clock(options.every), time.time(), weights.steps, []
    while weights.steps < options.steps and not weights.stopping:
        chosen = torch.randint(0, len(images) - VALIDATION, (batch,), generator=r).sort().values
        x = pixels(images[chosen.numpy()]).to(device)
        z = latents[chosen].float().to(device)
        half = batch // 2
        captions = ids[chosen[:half], torch.randint(0, ids.shape[1], (half,), generator=r)]
        z = torch.cat([guesses(z[:half], captions.to(device), r), z[half:]])
        with mixed_precision(device):
            y = model.decode(z).sample.float()
        place = F.interpolate(places[chosen, None].to(device), x.shape[-2:], mode="bilinear")
        error = y - x
        edges = sum((error.diff(dim=d)).abs().mean() for d in (2, 3))
        ((error.abs() * place).mean() + 0.5 * edges).backward()
        weights.step(rate_at(weights.steps, options.steps, options.rate), decay=1e-4, keep=0.998)
        losses.append(error.detach()[half:].square().mean().item())
        if rank == 0 and clock.due():
            done = (weights.steps - first) * options.batch
            print(
                f"{time.time() - begin:.0f} s, step {weights.steps}, training PSNR {10 * math.log10(4 / np.mean(losses[-400:])):.2f} dB, "
                f"{done / (time.time() - begin):.1f} pictures/s", flush=True,
            )  # fmt: skip
            weights.save(work / "decoder.pt")
    if rank == 0:
        weights.save(work / "decoder.pt")
        weights.flat.copy_(weights.average)
        print(f"step {weights.steps}, held out {psnr(model, held_out):.2f} dB with averaged weights", flush=True)
        model.save_pretrained(work / "vae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument(
        "--model", type=Path, default=Path("src/retrato/model/mini"), help="where it starts: U-Net, text encoder, vae/"
    )
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--every", type=float, default=60, help="seconds between reports and saved states")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    model = AutoencoderKL.from_pretrained(options.model / "vae", torch_dtype=torch.float32)
    model.to(options.device, memory_format=torch.channels_last)
    weights = FlatWeights(decoder_of(model), 2 if options.device == "cpu" else 1, options.device)
    if (options.work / "decoder.pt").exists():
        weights.restore(options.work / "decoder.pt")
    run(functools.partial(train, model=model, guesses=Guesses(options.model, options.device), options=options), weights)


if __name__ == "__main__":
    main()
