"""Encodes all pictures and folds the latents' statistics into the autoencoder, so that scaling_factor is 1.

python -m mini.encode --work mini/work       reads autoencoder/, writes vae/ and latents.npy (float16 [N, 8, h, w])

Each channel is centred and scaled to a spread that grows with its weight in the picture; the same change is folded
exactly into the 1x1 convolutions quant_conv and post_quant_conv.
"""

import argparse
import itertools
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from mini.train_autoencoder import pixels, psnr


def _encode(job: tuple[Path, Path, int, int]) -> np.ndarray:
    work, folder, start, end = job
    torch.set_num_threads(1)
    model = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval()
    model.to(memory_format=torch.channels_last)  # twice as fast on a CPU
    images = np.load(work / "images.npy", mmap_mode="r")
    with torch.no_grad():
        parts = range(start, end, 32)
        found = [model.encode(pixels(images[i : min(i + 32, end)])).latent_dist.mode() for i in parts]
    return torch.cat(found).numpy()


def encode_all(work: Path, folder: Path) -> np.ndarray:
    """The mean latents of all pictures, float32 [N, C, h, w], by two processes."""
    count = len(np.load(work / "images.npy", mmap_mode="r"))
    cuts = np.linspace(0, count, 9).astype(int)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(_encode, [(work, folder, int(a), int(b)) for a, b in itertools.pairwise(cuts)], chunksize=1)
    return np.concatenate(parts)


def spreads(model: AutoencoderKL, latents: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The standard deviation that each channel is given, from how much the picture suffers without it."""
    x = pixels(images)

    def squared(z: np.ndarray) -> float:
        with torch.no_grad():
            return (model.decode(torch.from_numpy(z)).sample.clamp(-1, 1) - x).square().mean().item()

    base, mean, suffers = squared(latents), latents.mean((0, 2, 3)), []
    for channel in range(latents.shape[1]):
        without = latents.copy()
        without[:, channel] = mean[channel]
        suffers.append(max(squared(without) - base, 1e-5))
    weight = np.array(suffers) ** 0.125
    return np.clip(weight / weight.mean() * 0.85, 0.5, 1.3).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--keep", action="store_true", help="vae/ is folded already: only write latents.npy")
    work, keep = (options := parser.parse_args()).work, options.keep
    start = time.time()
    if keep:
        np.save(work / "latents.npy", encode_all(work, work / "vae").astype(np.float16))
        return
    latents = encode_all(work, work / "autoencoder")
    model = AutoencoderKL.from_pretrained(work / "autoencoder", torch_dtype=torch.float32).eval()
    images = np.load(work / "images.npy", mmap_mode="r")
    wanted = spreads(model, latents[-48:], images[-48:])
    mean, scale = torch.from_numpy(latents.mean((0, 2, 3))), torch.from_numpy(latents.std((0, 2, 3)) / wanted)
    np.save(
        work / "latents.npy",
        ((latents - mean.numpy()[:, None, None]) / scale.numpy()[:, None, None]).astype(np.float16),
    )
    channels = len(mean)
    with torch.no_grad():
        into, out = model.quant_conv, model.post_quant_conv
        into.weight[:channels] /= scale[:, None, None, None]
        into.bias[:channels] = (into.bias[:channels] - mean) / scale
        into.bias[channels:] -= 2 * scale.log()
        out.bias += out.weight[:, :, 0, 0] @ mean
        out.weight *= scale[None, :, None, None]
    model.register_to_config(scaling_factor=1.0, _name_or_path="")
    model.save_pretrained(work / "vae")
    print(
        f"held out {psnr(model, images[-256:]):.2f} dB after folding, spread per channel {wanted.round(2)}, {time.time() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
