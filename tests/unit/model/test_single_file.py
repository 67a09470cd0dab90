"""Random models of each family, narrow but of full depth: from a folder to one file and back, and then used."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from benchmarks.ldm_file import _open_clip as open_clip_tensors
from benchmarks.ldm_file import ldm_tensors
from retrato.embeddings import read_embedding
from retrato.errors import ModelError
from retrato.generation import Drawn, generate
from retrato.model import Components, load_components
from retrato.model import single_file as module
from retrato.model.catalogue import describe_model
from retrato.model.checkpoint_file import open_checkpoint
from retrato.model.families.table import XL_OPEN_CLIP_G
from retrato.model.hashes import old_model_hash
from retrato.model.inpainting import _grey_latents
from retrato.model.latents import decode, encode_pixels
from retrato.model.single_file import looks_like_v, read_vae
from retrato.model.weights import weigh
from retrato.photos import Photo
from retrato.settings import GenerateSettings, TrainSettings
from retrato.training import Finished, train

Folder = Callable[[str], Path]


def drawn(components: Components, steps: int = 2) -> Image.Image:
    settings = GenerateSettings(
        prompt="a (photo:1.2) of an astronaut", negative_prompt="red", seed=3, steps=steps, width=64, height=64
    )
    return next(event.image.image for event in generate(components, settings, {}) if isinstance(event, Drawn))


def single_file(folder: Path, path: Path, *left_out: str) -> Path:
    tensors = {name: value for name, value in ldm_tensors(folder).items() if not name.startswith(left_out or ("\0",))}
    if path.suffix == ".ckpt":
        torch.save({"state_dict": tensors, "global_step": 840_000}, path)
    else:
        save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    ("family", "ending", "tensors"),
    # 1131 is what v1-5-pruned-emaonly.safetensors holds; the other counts follow from the published architectures.
    [
        ("sd1", "ckpt", 1131),
        ("sd1/inpainting", "safetensors", 1131),
        ("sd2", "ckpt", 1228),
        ("sd2-v", "safetensors", 1228),
        ("xl", "safetensors", 2515),
    ],
)
def test_folder_and_file_draw_the_same_picture(
    family: str, ending: str, tensors: int, family_folder: Folder, tmp_path: Path
) -> None:
    folder = family_folder(family)
    path = single_file(folder, tmp_path / f"model.{ending}")
    assert len(ldm_tensors(folder)) - len({"betas", "alphas_cumprod"}) == tensors
    chosen = family if family.endswith("-v") else "auto"
    first, second = load_components(folder), load_components(path, family=chosen)
    assert drawn(first).tobytes() == drawn(second).tobytes()
    assert (first.token_widths, first.prediction_type) == (second.token_widths, second.prediction_type)
    assert (first.defaults.size, first.zero_empty_negative) == (second.defaults.size, second.zero_empty_negative)
    assert second.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    assert [part.name for part in weigh(second)][-2:] == ["unet", "vae"]


@pytest.mark.parametrize("family", ["sd2-v", "tiny xl", "sd1/inpainting"])
def test_each_family_learns_and_draws_a_person(
    family: str, family_folder: Folder, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    components = load_components(tiny_xl_folder if family == "tiny xl" else family_folder(family))
    components = dataclasses.replace(components, defaults=dataclasses.replace(components.defaults, size=64))
    photos = [
        Photo(Path(f"{shade}.png"), Image.new("RGB", (64, 64), (shade, 90, 20)), (64, 64))
        for shade in (9, 60, 130, 200)
    ]
    training = TrainSettings(name="benny-1", steps=2, batch_size=1, preview_every=0, caption="none", held_out=1)
    *_, finished = train(components, photos, training, run_folder=tmp_path / "run")
    assert isinstance(finished, Finished)
    assert finished.steps_run == 2
    learned = read_embedding(finished.file)
    assert learned.dims == components.token_widths
    settings = GenerateSettings(prompt="benny-1, red", seed=1, steps=1, width=64, height=64)
    with_person, without = (
        next(each.image.image for each in generate(components, settings, known) if isinstance(each, Drawn))
        for known in ({"benny-1": learned}, {})
    )
    assert with_person.tobytes() != without.tobytes()


def test_xls_pooled_text_is_the_second_encoders_projection(family_folder: Folder) -> None:
    """The end token's place, its state normed and projected: open_clip's definition, written out."""
    from retrato.model import encode, token_chunks

    components = load_components(family_folder("xl"))
    encoder, tokenizer = components.text_encoders[1], components.tokenizers[1]
    chunks = token_chunks(components, "a photo of a man", {})
    pooled = encode(components, [chunks], {}).pooled
    ids = tokenizer("a photo of a man", padding="max_length", return_tensors="pt").input_ids
    end = ids[0].tolist().index(tokenizer.eos_token_id)
    states = encoder(ids, output_hidden_states=True).hidden_states[-1]
    expected = encoder.text_projection(encoder.text_model.final_layer_norm(states)[:, end])
    assert pooled is not None
    torch.testing.assert_close(pooled, expected)


def test_diffusers_script_for_xl_writes_the_projection_as_the_layer_has_it(tmp_path: Path) -> None:
    """convert_diffusers_to_original_sdxl.py: `text_projection.weight`, [out, in], and no `logit_scale`."""
    torch.manual_seed(0)
    config = CLIPTextConfig(hidden_size=64, intermediate_size=64, num_hidden_layers=2, projection_dim=48)
    made = CLIPTextModelWithProjection(config)
    made.save_pretrained(tmp_path)
    prefix = XL_OPEN_CLIP_G.prefix
    tensors = open_clip_tensors(tmp_path, prefix)
    del tensors[f"{prefix}text_projection"], tensors[f"{prefix}logit_scale"]
    tensors[f"{prefix}text_projection.weight"] = made.text_projection.weight.detach()
    save_file(tensors, tmp_path / "x.safetensors")
    with open_checkpoint(tmp_path / "x.safetensors") as checkpoint:
        found = module._text_encoder(checkpoint, XL_OPEN_CLIP_G)
    assert found.state_dict().keys() == made.state_dict().keys()
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in found.state_dict().items())


def test_a_model_for_inpainting_draws_without_a_mask(family_folder: Folder) -> None:
    components = load_components(family_folder("sd1/inpainting"))
    assert (components.is_for_inpainting, components.latent_channels) == (True, 4)
    assert components.unet.config.in_channels == 9
    latents, states = torch.randn(2, 4, 8, 8), torch.zeros(2, 77, 64)
    with torch.no_grad():
        grey = components.vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mean * 0.18215
        full = torch.cat([latents, torch.ones(2, 1, 8, 8), grey.expand(2, -1, -1, -1)], dim=1)
        bare, whole = (
            components.unet(each, torch.tensor(7), encoder_hidden_states=states).sample for each in (latents, full)
        )
    assert torch.equal(bare, whole)
    assert numpy.asarray(drawn(components)).std() > 0


def test_the_grey_below_a_mask_is_encoded_in_tiles_where_memory_is_small(
    family_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = load_components(family_folder("sd1/inpainting")).vae
    vae.tile_sample_min_size, real = 64, vae.encode
    grey = _grey_latents(vae, (8, 8))

    def full(pixels: torch.Tensor) -> Any:
        if not vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(pixels)

    monkeypatch.setattr(vae, "encode", full)
    torch.testing.assert_close(_grey_latents(vae, (8, 8)), grey)


def test_a_model_for_inpainting_sees_the_mask(family_folder: Folder) -> None:
    components = load_components(family_folder("sd1/inpainting"))
    picture = Image.effect_noise((64, 64), 80).convert("RGB")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    settings = GenerateSettings(prompt="a hat", seed=1, steps=2, width=64, height=64, denoising_strength=1, mask_blur=0)
    seen: list[torch.Tensor] = []
    hook = components.unet.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    *_, drawn = generate(components, settings, {}, init_image=picture, mask=mask)
    hook.remove()
    assert isinstance(drawn, Drawn)
    shown, below = seen[0][0, 4], seen[0][:1, 5:]
    assert torch.equal(shown, torch.tensor([[0.0] * 4 + [1.0] * 4] * 8))
    pixels = torch.from_numpy(numpy.asarray(picture, numpy.float32) / 127.5 - 1).permute(2, 0, 1)[None].contiguous()
    pixels[..., 32:] = 0
    torch.testing.assert_close(below, encode_pixels(components, pixels).mean)
    left = (0, 0, 32, 64)
    assert drawn.image.image.crop(left).tobytes() == picture.crop(left).tobytes()


def test_files_of_half_precision_and_other_habits_load(family_folder: Folder, tmp_path: Path) -> None:
    """fp16, text keys without `text_model.`, averaged weights beside, a name and defaults in a file beside."""
    tensors = {
        name.replace("text_model.", ""): value.half() for name, value in ldm_tensors(family_folder("sd1")).items()
    }
    tensors["model_ema.diffusion_modelinput_blocks00weight"] = torch.zeros(1)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    (tmp_path / "model.retrato.json").write_text(json.dumps({"name": "mine", "defaults": {"size": 640}}))
    components = load_components(path)
    assert (components.name, components.defaults.size) == ("mine", 640)
    assert {weight.dtype for module in components.modules for weight in module.parameters()} == {torch.float32}
    assert load_components(path, dtype="bfloat16").unet.dtype == torch.bfloat16


def test_the_vae_may_lie_elsewhere(family_folder: Folder, tmp_path: Path) -> None:
    """Beside the file under its name, as A1111 has it, or given; with or without the prefix of a whole model."""
    folder = family_folder("sd1")
    path = single_file(folder, tmp_path / "model.safetensors", "first_stage_model.")
    with pytest.raises(ModelError, match="it holds no VAE: give one with --vae"):
        load_components(path)
    vae = {
        name.removeprefix("first_stage_model."): value * 0.5
        for name, value in ldm_tensors(folder).items()
        if name.startswith("first_stage_model.")
    }
    torch.save({"state_dict": vae}, tmp_path / "other.vae.pt")
    other = read_vae(tmp_path / "other.vae.pt").decoder.conv_in.weight
    assert torch.equal(load_components(path, vae=tmp_path / "other.vae.pt").vae.decoder.conv_in.weight, other)
    shutil.copy(tmp_path / "other.vae.pt", tmp_path / "model.vae.pt")
    assert torch.equal(load_components(path).vae.decoder.conv_in.weight, other)
    with pytest.raises(ModelError, match=r"nothing\.pt is not a file"):
        load_components(path, vae=tmp_path / "nothing.pt")


@pytest.mark.parametrize("is_old", [False, True])
def test_a_vaes_file_may_have_diffusers_names(family_folder: Folder, tmp_path: Path, is_old: bool) -> None:
    """As `diffusion_pytorch_model.safetensors` of a VAE on the hub has them, with attention named as until 0.14 too."""
    folder, path = family_folder("sd1") / "vae", tmp_path / "a.safetensors"
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"} if is_old else {}

    def named(name: str) -> str:
        return next((name.replace(new, then) for new, then in old.items() if f".{new}." in name), name)

    save_file({named(name): value for name, value in weights.items()}, path)
    expected = read_vae(folder)
    assert is_old == any("query" in name for name in load_file(path))
    found = read_vae(path)
    assert list(found.config.block_out_channels) == expected.config.block_out_channels
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in expected.state_dict().items())
    save_file({name: value for name, value in weights.items() if "encoder.down_blocks" not in name}, path)
    with pytest.raises(ModelError, match=r"a\.safetensors cannot be used: its tensor .*encoder.* is missing"):
        read_vae(path)
    save_file({name: value[:40].clone() for name, value in weights.items()}, path)
    with pytest.raises(ModelError, match=r"a\.safetensors cannot be used: its tensors do not fit together"):
        read_vae(path)


def test_latents_of_a_vae_in_a_file_are_scaled_as_the_folders_family_has_it(
    family_folder: Folder, tiny_folder: Path, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    tensors = ldm_tensors(family_folder("sd1"))
    save_file(
        {name: value for name, value in tensors.items() if name.startswith("first_stage")}, tmp_path / "x.safetensors"
    )
    scales = [
        load_components(folder, vae=tmp_path / "x.safetensors").vae.config.scaling_factor
        for folder in (tiny_folder, tiny_xl_folder)
    ]
    assert scales == [0.18215, 0.13025]


def test_a1111s_yaml_says_that_it_predicts_v(family_folder: Folder, tmp_path: Path) -> None:
    path = single_file(family_folder("sd1"), tmp_path / "model.safetensors")
    assert load_components(path).prediction_type == "epsilon"
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert load_components(path).prediction_type == "v_prediction"


class Answering(torch.nn.Module):
    """Stands for a U-Net that answers its input plus `offset`."""

    dtype = torch.float32

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset
        self.config = type("Config", (), {"in_channels": 4, "cross_attention_dim": 8})

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor) -> object:
        return type("Output", (), {"sample": latents + self.offset})


def test_trying_tells_v_from_epsilon() -> None:
    assert not looks_like_v(Answering(0.02))
    assert looks_like_v(Answering(-1.5))


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("model.diffusion_model.input_blocks.0.0.", "missing"),
        ("cond_stage_model.transformer.text_model.encoder.layers.3.", "lacks"),
        ("cond_stage_model.", "no text encoder"),
    ],
)
def test_a_file_that_lacks_something_says_what(lost: str, sentence: str, family_folder: Folder, tmp_path: Path) -> None:
    path = single_file(family_folder("sd1"), tmp_path / "model.safetensors", lost)
    with pytest.raises(ModelError, match=sentence) as caught:
        load_components(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("changed", "shape", "sentence"),
    [
        ("input_blocks.0.0.weight", (32, 8, 3, 3), "takes 8 channels, not 4, or 9 as for inpainting"),
        ("label_emb.0.0.weight", (128, 2048), "wants more than a text"),
        ("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", (64,), "has no size"),
    ],
)
def test_a_unet_for_something_else_is_told_by_its_shapes(
    changed: str, shape: tuple[int, ...], sentence: str, family_folder: Folder, tmp_path: Path
) -> None:
    """Editing by instructions (8 channels), unCLIP (another embedding), and what is damaged."""
    tensors = ldm_tensors(family_folder("sd1"))
    save_file({**tensors, f"model.diffusion_model.{changed}": torch.zeros(shape)}, tmp_path / "x.safetensors")
    for look in (describe_model, load_components):
        with pytest.raises(ModelError, match=sentence) as caught:
            look(tmp_path / "x.safetensors")
        assert str(caught.value).startswith(str(tmp_path / "x.safetensors"))


def test_weights_that_are_no_numbers_are_found(tiny_folder: Path, tmp_path: Path) -> None:
    components = load_components(tiny_folder)
    next(components.vae.parameters())[0] = float("nan")
    with pytest.raises(ModelError, match="not numbers in its vae"):
        weigh(components)


def test_the_old_hash_is_that_of_64_kilobytes_after_the_first_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 0x100000 + b"b" * 0x10000 + b"c" * 99)
    assert old_model_hash(path) == hashlib.sha256(b"b" * 0x10000).hexdigest()[:8]


def test_a_vae_that_overflows_in_half_precision_decodes_in_float32(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "sd", symlinks=True)
    config = tmp_path / "sd" / "vae" / "config.json"
    said = json.loads(config.read_text())
    assert said.pop("force_upcast")
    config.write_text(json.dumps(said))  # as that of Stable Diffusion 1.5, which is older than the word
    plain = load_components(tmp_path / "sd")
    half = dataclasses.replace(plain, dtype=torch.float16)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    exact, rounded = decode(plain, latents), decode(half, latents)
    assert not torch.equal(exact, rounded), "nothing was computed in half precision"
    torch.testing.assert_close(exact, rounded, rtol=0, atol=0.05)
    plain.vae.decoder.conv_in.weight.mul_(1e6)  # a norm follows, so float32 does not mind
    assert torch.equal(decode(half, latents), decode(plain, latents))
    assert decode(half, latents).isfinite().all()


def test_a_vae_that_says_it_overflows_is_not_tried_in_half_precision(tiny_folder: Path) -> None:
    plain = load_components(tiny_folder)
    assert plain.vae.config.force_upcast
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(decode(dataclasses.replace(plain, dtype=torch.float16), latents), decode(plain, latents))
