"""Puts everything together as the diffusers folder that the package ships, in float16.

python -m mini.export --work mini/work --out src/retrato/model/mini
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from mini.published_names import name_as_published
from mini.train_diffusion import MiddleReaders, make_text_encoder, make_unet, noise_schedule, read_shape

DEFAULTS = {"size": 128, "guidance_scale": 3.0, "class_word": "person"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--out", type=Path, default=Path("src/retrato/model/mini"))
    parser.add_argument("--live", action="store_true", help="the last weights instead of their moving average")
    parser.add_argument("--state", default="diffusion", help="which model, as in mini.train_diffusion")
    parser.add_argument("--name", default="retrato-mini")
    options = parser.parse_args()
    work, out = options.work, options.out
    state = torch.load(work / f"{options.state}.pt", weights_only=True)
    vae = AutoencoderKL.from_pretrained(work / "vae", torch_dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    if (work / f"{options.state}.json").exists():
        unet, text = read_shape(work / f"{options.state}.json")
    else:  # trained on from the shipped weights, with --init
        unet, text = make_unet(channels=vae.config.latent_channels), make_text_encoder(len(tokenizer))
    offset, flat = 0, state["flat" if options.live else "average"]
    for p in [*unet.parameters(), *text.parameters()]:
        p.data.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()
    readers = sum(p.numel() for p in MiddleReaders(unet).parameters())  # they only help to learn and are not shipped
    if offset + readers != len(flat):
        raise SystemExit(f"{work / options.state}.pt holds {len(flat)} weights, the model takes {offset + readers}")
    for model in (vae, unet):
        model.register_to_config(_name_or_path="")  # no machine's paths in the shipped files
    pipeline = StableDiffusionPipeline(
        vae, text, tokenizer, unet, noise_schedule(), None, None, requires_safety_checker=False
    )
    pipeline.to(dtype=torch.float16).save_pretrained(out)
    name_as_published(out / "text_encoder/model.safetensors")
    for name in ("vocab.json", "merges.txt"):  # transformers 5 writes only tokenizer.json; older readers want these
        shutil.copy(work / "tokenizer" / name, out / "tokenizer" / name)
    # diffusers reads float32 and transformers the stored type unless told otherwise: make both float32
    config = out / "text_encoder/config.json"
    config.write_text(config.read_text().replace('"float16"', '"float32"'))
    for part in ("scorer", "captioner"):
        if (work / part).exists():
            shutil.copytree(work / part, out / part, dirs_exist_ok=True)
    (out / "retrato.json").write_text(json.dumps({"name": options.name, "defaults": DEFAULTS}, indent=2) + "\n")
    shutil.copy(Path(__file__).parent / "LICENCES.md", out / "LICENCES.md")
    StableDiffusionPipeline.from_pretrained(out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, {state['steps']} steps of training")


if __name__ == "__main__":
    main()
