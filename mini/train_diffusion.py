"""Trains U-Net and text encoder together on cached latents (v-prediction).

Three helps beside the plain loss, all gone from the finished model: what the picture shows must be readable from the
U-Net's middle (so words reach it early: without this, shapes of hair and glasses come long after colours); errors on
the head count more than errors on the ground, and most on mouth and eyes (a moustache and a smile are four of 256 places of
the latents, and their words were not followed after 190,000 samples of equal weights on the head); emoji come twice.

python -m mini.train_diffusion --steps 12500 --work mini/work      Ctrl-C or SIGTERM saves; run again to go on

The rate depends on step / steps only: going on with a larger --steps raises it again and is a warm restart. Where the saved
state is lost, `--init src/retrato/model/mini` starts from the shipped weights (put its vae/ and tokenizer/ into the work folder,
and use `--keep` with mini.tokens and mini.encode).

A second mini, of another width and from other random weights, learns from the same pictures beside the first one:

python -m mini.train_diffusion --work mini/work --state second --widths 64,112,144 --text-width 160 --seed 1
python -m mini.export --work mini/work --state second --name retrato-second --out mini/work/second
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from mini.labels import all_labels
from mini.people import Scene
from mini.readers import Readers, wanted_of
from mini.renders import head_place
from mini.tokens import LENGTH
from mini.train_autoencoder import VALIDATION
from mini.weights import Clock, FlatWeights, half_is_fast, mixed_precision, rate_at, run


def make_text_encoder(vocabulary: int, width: int = 192, layers: int = 2) -> CLIPTextModel:
    """An untrained CLIP text encoder with CLIP's 77 positions."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 4, projection_dim=width,
            num_hidden_layers=layers, num_attention_heads=width // 32, max_position_embeddings=LENGTH,
            hidden_act="quick_gelu", bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1,
        )
    )  # fmt: skip


def make_unet(
    widths: tuple[int, ...] = (96, 160, 176), text_width: int = 192, layers: int = 1, channels: int = 8, size: int = 16
) -> UNet2DConditionModel:
    """An untrained U-Net; cross-attention at all levels but the smallest."""
    below = len(widths) - 1
    return UNet2DConditionModel(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=layers, block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * below + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * below,
        cross_attention_dim=text_width, attention_head_dim=4,  # diffusers' name for the NUMBER of heads
        norm_num_groups=16,
    )  # fmt: skip


def read_shape(file: Path) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Untrained models of the shape that `file` says."""
    shape = json.loads(file.read_text())
    unet = make_unet(tuple(shape["widths"]), shape["text_width"], channels=shape["channels"], size=shape["size"])
    return unet, make_text_encoder(shape["vocabulary"], shape["text_width"])


def noise_schedule() -> DDPMScheduler:
    """Stable Diffusion's schedule with v-prediction."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", clip_sample=False, steps_offset=1,
    )  # fmt: skip


class MiddleReaders(Readers):
    """Reads the labels off the output of the U-Net's middle block, as it was at the last step."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        side = unet.config.sample_size // 2 ** (len(unet.config.block_out_channels) - 1)
        super().__init__(unet.config.block_out_channels[-1] * side**2)
        self.middle = torch.empty(0)
        unet.mid_block.register_forward_hook(lambda _module, _given, output: setattr(self, "middle", output))


def place_weights(facts: list[dict], side: int, head: float = 3.0, mouth: float = 9.0, eyes: float = 6.0) -> Tensor:
    """[N, side, side]: weights of mean 1 for the squared error: so many times as high on the head as on the ground."""
    grid = (torch.arange(side) + 0.5) / side
    found = torch.ones(len(facts), side, side)
    for weight, fact in zip(found, facts, strict=True):
        if "person" in fact:
            x, y, radius = head_place(Scene(**fact["scene"]))
            across, down = (grid[None, :] - x) / radius, (grid[:, None] - y) / radius
            inside = across**2 + down**2
            weight += (head - 1) * (1.6 - inside).clamp(0, 0.6) / 0.6
            lips, brows = (across / 0.4) ** 2 + ((down - 0.4) / 0.25) ** 2, (across / 0.5) ** 2 + (down / 0.3) ** 2
            for most, far in ((mouth, lips), (eyes, brows)):
                torch.maximum(weight, most * torch.exp(-0.7 * far), out=weight)
    return found / found.mean((1, 2), keepdim=True)


def train(
    rank: int,
    weights: FlatWeights,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    readers: MiddleReaders,
    options: argparse.Namespace,
) -> None:
    """One process: latents, captions, noise, loss, step; rank 0 saves and reports."""
    device = options.device
    if device == "cpu":
        torch.set_num_threads(1)
        if half_is_fast(device):
            unet.set_attn_processor(AttnProcessor())  # bf16 fused attention is slow backwards on a CPU with small heads
    weights.attach([*unet.parameters(), *text.parameters(), *readers.parameters()], rank)
    latents = torch.from_numpy(np.load(options.work / "latents.npy")).to(device)
    ids = torch.from_numpy(np.load(options.work / "ids.npy").astype(np.int64))
    variants = ids.shape[1]
    facts = [json.loads(line) for line in (options.work / "examples.jsonl").read_text().splitlines()]
    pool = torch.tensor([i for i, fact in enumerate(facts[:-VALIDATION]) for _ in range(1 + ("emoji" in fact))])
    shown = [all_labels(fact) for fact in facts]
    classes = wanted_of(shown)
    places = place_weights(facts, latents.shape[-1])
    end = text.config.eos_token_id
    nothing = torch.full((LENGTH,), end)
    nothing[0] = text.config.bos_token_id
    alphas = noise_schedule().alphas_cumprod.float().to(device)
    snr = alphas / (1 - alphas)
    min_snr = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    weight = 0.5 + 0.5 * min_snr / min_snr.mean()  # half plain v loss, half Min-SNR-5 (Hang 2023, arXiv:2303.09556)
    batch = options.batch // weights.world
    r = torch.Generator().manual_seed((options.seed << 40) + 1000003 * weights.steps + rank + 1)
    clock, begin, first, losses = Clock(options.every), time.time(), weights.steps, []
    while weights.steps < options.steps and not weights.stopping:
        chosen = pool[torch.randint(0, len(pool), (batch,), generator=r)]
        z = latents[chosen.to(device)].float()
        tokens = ids[chosen, torch.randint(0, variants, (batch,), generator=r)].clone()
        tokens[torch.rand(batch, generator=r) < 0.1] = nothing
        if torch.rand((), generator=r) < 0.65:  # a prompt may be followed by any number of padding tokens
            tokens = tokens[:, : int((tokens != end).sum(1).max()) + 1]
        strata = torch.arange(batch) * weights.world + rank + torch.rand(batch, generator=r)
        t = (strata / options.batch * 1000).long().clamp(0, 999).to(device)
        noise = torch.randn(z.shape, generator=r).to(device)
        signal, sigma = alphas[t].sqrt()[:, None, None, None], (1 - alphas[t]).sqrt()[:, None, None, None]
        with mixed_precision(device):
            predicted = unet(signal * z + sigma * noise, t, text(tokens.to(device))[0]).sample.float()
        squared = (predicted - (signal * noise - sigma * z)).square().mean(1)
        each = squared.mean((1, 2))
        drawn = ((squared * places[chosen].to(device)).mean((1, 2)) * weight[t]).mean()
        wanted = {head: labels[chosen].to(device) for head, labels in classes.items()}
        read = readers.loss(readers.middle.flatten(1), wanted)
        (drawn + options.reading * read).backward()
        rate = rate_at(weights.steps, options.steps, options.rate, warm_up=150)
        weights.step(rate, keep=options.average)
        losses.append((each.mean().item(), read.item()))
        if rank == 0 and clock.due():
            samples = (weights.steps - first) * options.batch
            recent = np.mean(losses[-400:], 0)
            line = f"{weights.steps},{time.time() - begin:.0f},{recent[0]:.5f},{recent[1]:.4f},{rate:.2e}"
            print(f"{line}   {samples / (time.time() - begin):.1f} samples/s", flush=True)
            with (options.work / f"{options.state}_loss.csv").open("a") as log:
                log.write(line + "\n")
            weights.save(options.work / f"{options.state}.pt")
    if rank == 0:
        weights.save(options.work / f"{options.state}.pt")
        print(f"step {weights.steps}, loss {np.mean(losses[-1000:], 0).round(5)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=12500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.999, help="share kept by the moving average at each step")
    parser.add_argument("--reading", type=float, default=0.1, help="weight of what is read from the U-Net's middle")
    parser.add_argument("--every", type=float, default=120, help="seconds between reports and saved states")
    parser.add_argument("--init", type=Path, help="start from this model folder's U-Net and text encoder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each, on a CPU")
    parser.add_argument("--state", default="diffusion", help="name of the saved state: another one for another model")
    parser.add_argument("--widths", default="96,160,176", help="of the U-Net's levels, multiples of 16")
    parser.add_argument("--text-width", type=int, default=192, help="of the text encoder, a multiple of 32")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights, and of what is drawn for the steps")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    latents = np.load(options.work / "latents.npy", mmap_mode="r")
    if options.init:
        unet = UNet2DConditionModel.from_pretrained(options.init / "unet", torch_dtype=torch.float32).train()
        text = CLIPTextModel.from_pretrained(options.init / "text_encoder", dtype=torch.float32).train()
    else:
        shape_file = options.work / f"{options.state}.json"
        shape = {
            "widths": [int(width) for width in options.widths.split(",")], "text_width": options.text_width,
            "channels": latents.shape[1], "size": latents.shape[2],
            "vocabulary": len(json.loads((options.work / "tokenizer/vocab.json").read_text())),
        }  # fmt: skip
        if shape_file.exists() and json.loads(shape_file.read_text()) != shape:
            raise SystemExit(f"{shape_file} says another shape than {shape}: name another --state")
        shape_file.write_text(json.dumps(shape))
        unet, text = read_shape(shape_file)
    unet.to(options.device), text.to(options.device)
    readers = MiddleReaders(unet).to(options.device)
    parts = [*unet.parameters(), *text.parameters(), *readers.parameters()]
    weights = FlatWeights(parts, options.processes if options.device == "cpu" else 1, options.device)
    if (options.work / f"{options.state}.pt").exists():
        weights.restore(options.work / f"{options.state}.pt")
    print(f"{weights.count / 1e6:.2f} million weights, from step {weights.steps}", flush=True)
    run(functools.partial(train, unet=unet, text=text, readers=readers, options=options), weights)


if __name__ == "__main__":
    main()
