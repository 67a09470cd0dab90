import dataclasses
import hashlib
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image, ImageChops

from retrato.embeddings import Embedding
from retrato.errors import EmbeddingError, ModelError, PhotoError, PromptError, SettingsError
from retrato.files import visible
from retrato.generation import Drawn, Sampled, generate, parse_infotext, resolve_settings
from retrato.hypernetworks import Hypernetwork, Structure
from retrato.hypernetworks.structure import all_shapes
from retrato.model import Components
from retrato.model.attention import attention_widths
from retrato.model.latents import encode_pixels, image_to_pixels
from retrato.model.openvino import on_openvino
from retrato.sampling.noise import noise_for
from retrato.settings import GenerateSettings


def settings(**values: object) -> GenerateSettings:
    return GenerateSettings(**({"prompt": "a man", "steps": 3, "seed": 11} | values))


def draw(components: Components, **values: object) -> list[Drawn]:
    return [event for event in generate(components, settings(**values), {}) if isinstance(event, Drawn)]


def latents_of(
    components: Components, embeddings: dict[str, Embedding] | None = None, **values: object
) -> torch.Tensor:
    events = generate(components, settings(**values), embeddings or {})
    return [event.latents for event in events if isinstance(event, Sampled)][-1]


def weights_hash(components: Components) -> str:
    digest = hashlib.sha256()
    for module in components.modules:
        for weight in module.state_dict().values():
            digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def differ(first: Drawn, second: Drawn) -> int:
    extrema = ImageChops.difference(first.image.image, second.image.image).getextrema()
    return max(high for _, high in extrema)


def test_steps_and_images_come_in_order(tiny_components: Components) -> None:
    events = list(generate(tiny_components, settings(count=3, batch_size=2), {}))
    said = [(event.first, event.step) if isinstance(event, Sampled) else event.index for event in events]
    assert said == [(0, 1), (0, 2), (0, 3), 0, 1, (2, 1), (2, 2), (2, 3), 2]
    drawn = [event for event in events if isinstance(event, Drawn)]
    assert [event.image.seed for event in drawn] == [11, 12, 13]
    assert {event.image.image.size for event in drawn} == {(64, 64)}


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DDIM"])
def test_a_batch_equals_its_images_drawn_singly(tiny_components: Components, sampler: str) -> None:
    together = draw(tiny_components, count=3, batch_size=3, sampler=sampler)
    for event in together:
        (alone,) = draw(tiny_components, seed=event.image.seed, sampler=sampler)
        assert differ(event, alone) <= 1
    assert differ(together[0], together[1]) > 1


def told_its_scale(components: Components) -> Components:
    """The same model with a U-Net that is told the CFG scale, as those of LCM are."""
    torch.manual_seed(3)
    unet = UNet2DConditionModel.from_config({**components.unet.config, "time_cond_proj_dim": 16}).eval()
    unet.time_embedding.cond_proj.weight.data *= 5
    return dataclasses.replace(components, unet=unet.requires_grad_(False))


@pytest.mark.parametrize("is_told", [False, True])
def test_the_latents_are_those_of_diffusers_pipeline(tiny_components: Components, is_told: bool) -> None:
    model = told_its_scale(tiny_components) if is_told else tiny_components
    pipeline = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.text_encoders[0],
        tokenizer=model.tokenizers[0],
        unet=model.unet,
        scheduler=EulerDiscreteScheduler.from_config(
            dict(model.scheduler_config), timestep_spacing="linspace", steps_offset=1, use_karras_sigmas=True
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    noise, _ = noise_for([11, 12], (4, 8, 8))
    expected = pipeline(
        ["a photo of a man"] * 2,
        negative_prompt=["a cat"] * 2,
        latents=noise,
        num_inference_steps=5,
        guidance_scale=7.0,
        height=64,
        width=64,
        output_type="latent",
    ).images
    found = latents_of(
        model, prompt="a photo of a man", negative_prompt="a cat", sampler="Euler", schedule="Karras", steps=5, count=2
    )
    if is_told:  # its embedding is computed in another order
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    else:
        assert torch.equal(found, expected)


def test_a_model_that_is_told_its_scale_is_asked_once(tiny_components: Components) -> None:
    model, rows = told_its_scale(tiny_components), []
    model.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    low, high, below = (
        latents_of(model, guidance_scale=scale, guidance_min_sigma=level, negative_prompt="a cat")
        for scale, level in ((2.0, 0.0), (8.0, 0.0), (8.0, 5.0))
    )
    assert rows == [1] * 9
    assert not torch.allclose(low, high, atol=1e-3)
    assert torch.equal(high, below)


def test_frozen_weights_stay_bit_identical(tiny_components: Components) -> None:
    before = weights_hash(tiny_components)
    vectors = torch.randn(2, 32)
    embedding = Embedding("benny", (vectors,))
    list(generate(tiny_components, settings(prompt="[benny|cat] (hat:1.2)", clip_skip=2), {"benny": embedding}))
    assert weights_hash(tiny_components) == before
    assert not any(weight.requires_grad for module in tiny_components.modules for weight in module.parameters())


@pytest.mark.parametrize(("name", "written"), [("benny", "a benny"), ("benny (1)", r"a benny \(1\)")])
def test_embeddings_act_in_both_prompts(tiny_components: Components, name: str, written: str) -> None:
    near, far = (Embedding(name, (torch.full((2, 32), value).cumsum(1),)) for value in (0.1, -0.3))
    for place in ("prompt", "negative_prompt"):
        first, second = (latents_of(tiny_components, {name: each}, **{place: written}) for each in (near, far))
        assert not torch.allclose(first, second)


def test_an_embedding_for_another_model_is_refused_when_it_is_named(tiny_components: Components) -> None:
    wide = {"benny": Embedding("benny", (torch.randn(1, 768),))}
    with pytest.raises(EmbeddingError, match="768"):
        latents_of(tiny_components, wide, prompt="a benny")
    assert torch.isfinite(latents_of(tiny_components, wide, prompt="a man")).all()


def test_prompts_may_change_on_the_way(tiny_components: Components) -> None:
    plain = latents_of(tiny_components, prompt="a cat", steps=4)
    assert torch.equal(latents_of(tiny_components, prompt="[a cat:a dog:4]", steps=4), plain)
    assert torch.equal(latents_of(tiny_components, prompt="[a dog:a cat:0]", steps=4), plain)
    assert not torch.allclose(latents_of(tiny_components, prompt="[a cat:a dog:2]", steps=4), plain)
    assert not torch.allclose(latents_of(tiny_components, prompt="[a cat|a dog]", steps=4), plain)


def test_parts_joined_by_and_are_weighed(tiny_components: Components) -> None:
    plain = latents_of(tiny_components, prompt="a cat")
    torch.testing.assert_close(latents_of(tiny_components, prompt="a cat AND a dog :0"), plain, rtol=1e-4, atol=1e-4)
    halves = latents_of(tiny_components, prompt="a cat :0.5 AND a cat :0.5")
    torch.testing.assert_close(halves, plain, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(latents_of(tiny_components, prompt="a cat AND a dog"), plain)


def test_tags_that_nobody_knows_change_nothing(tiny_components: Components) -> None:
    plain = latents_of(tiny_components, prompt="a  man")
    assert torch.equal(latents_of(tiny_components, prompt="a <lora:x:1> man"), plain)


def test_long_and_empty_prompts_are_drawn(tiny_components: Components) -> None:
    for prompt in ("", "cat " * 200, "a BREAK man"):
        assert torch.isfinite(latents_of(tiny_components, prompt=prompt, negative_prompt="red")).all()


def test_a_model_of_the_xl_kind_draws(tiny_xl_components: Components) -> None:
    embedding = Embedding("benny", (torch.randn(2, 32), torch.randn(2, 48)))
    found = latents_of(tiny_xl_components, {"benny": embedding}, prompt="a benny", width=64, height=128, count=2)
    assert found.shape == (2, 4, 16, 8)
    (first, _) = draw(tiny_xl_components, count=2)
    (alone,) = draw(tiny_xl_components)
    assert differ(first, alone) <= 1


def test_the_image_knows_how_it_was_made(tiny_components: Components) -> None:
    drawn = draw(tiny_components, count=2, sampler="dpm++ 2m karras", negative_prompt="a cat", height=128)[1].image
    fields = parse_infotext(drawn.infotext)
    expected = {"Prompt": "a man", "Negative prompt": "a cat", "Seed": "12", "Sampler": "DPM++ 2M", "Steps": "3"}
    expected |= {"Schedule type": "Karras", "CFG scale": "7", "Size-1": "64", "Size-2": "128", "RNG": "CPU"}
    expected |= {"Model hash": tiny_components.hash}
    assert {key: fields[key] for key in expected} == expected
    assert (drawn.settings.seed, drawn.settings.count, drawn.settings.height) == (12, 1, 128)
    assert (fields["Batch size"], fields["Batch pos"]) == ("2", "1")


def test_the_image_names_the_files_of_its_embeddings(tiny_components: Components) -> None:
    library = {
        name: Embedding(name, (torch.full((1, 32), 0.1),), file_hash=file_hash)
        for name, file_hash in (("benny", "0123456789ab"), ("ana", "ba9876543210"), ("rui", None), ("eva", "feed"))
    }
    events = generate(tiny_components, settings(prompt="[benny:rui:2]", negative_prompt="ana"), library)
    (drawn,) = [event for event in events if isinstance(event, Drawn)]
    assert parse_infotext(drawn.image.infotext)["TI hashes"] == "benny: 0123456789ab, ana: ba9876543210"
    assert "Batch size" not in parse_infotext(drawn.image.infotext)


def test_a_seed_is_drawn_when_none_is_given(tiny_components: Components) -> None:
    seeds = {resolve_settings(tiny_components, settings(seed=-1)).seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"sampler": "Eulr"}, SettingsError, "did you mean Euler"),
        ({"schedule": "Nope"}, SettingsError, "schedule is"),
        ({"prompt": "a (man:101)"}, PromptError, "at most 100"),
        ({"negative_prompt": "a (man:-101)"}, PromptError, "at most 100"),
        ({"prompt": "a man AND a cat :1000"}, PromptError, "a cat weighs 1000"),
        ({"clip_skip": 12}, SettingsError, "clip_skip"),
    ],
)
def test_what_does_not_exist_is_said_before_the_first_step(
    tiny_components: Components, values: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        next(generate(tiny_components, settings(**values), {}))


def test_values_that_are_no_numbers_give_no_black_picture(tiny_components: Components) -> None:
    embedding = Embedding("benny", (torch.full((1, 32), 1e38),))
    run = generate(tiny_components, settings(prompt="benny"), {"benny": embedding})
    with pytest.raises(ModelError, match="not numbers"):
        list(run)


def test_pictures_are_numbered_and_carry_their_settings(tiny_components: Components, tmp_path: Path) -> None:
    first, second = draw(tiny_components, count=2)
    paths = [
        first.image.save(tmp_path / "out"),
        second.image.save(tmp_path / "out"),
        first.image.save(tmp_path / "out"),
    ]
    assert [path.name for path in paths] == ["00000-11.png", "00001-12.png", "00002-11.png"]
    assert visible(tmp_path / "out", "*") == paths


def picture(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DDIM", "PLMS", "LMS", "Heun", "DPM fast", "DPM adaptive"])
def test_less_denoising_stays_nearer_to_the_picture(tiny_components: Components, sampler: str) -> None:
    begun = encode_pixels(tiny_components, image_to_pixels(picture())[None]).mean
    distances = []
    for strength in (0.1, 0.5, 1.0):
        events = generate(
            tiny_components,
            settings(steps=10, sampler=sampler, denoising_strength=strength, guidance_scale=1.0),
            {},
            init_image=picture(),
        )
        distances.append(float(([e for e in events if isinstance(e, Sampled)][-1].latents - begun).norm()))
    assert distances == sorted(distances)
    assert distances[0] < 0.5 * distances[2]


def test_a_picture_to_start_from_may_be_a_file_and_runs_as_many_steps_as_in_a1111(
    tiny_components: Components, tmp_path: Path
) -> None:
    picture(size=(100, 80)).save(tmp_path / "start.png")
    asked = settings(steps=8, init_image=str(tmp_path / "start.png"), denoising_strength=0.5, count=2)
    events = list(generate(tiny_components, asked, {}))
    assert [event.step for event in events if isinstance(event, Sampled)] == [1, 2, 3, 4, 5]
    one, other = (event for event in events if isinstance(event, Drawn))
    assert one.image.image.size == (72, 64)  # about the format of the start, about the area of the model
    assert differ(one, other) > 1
    assert parse_infotext(one.image.infotext)["Denoising strength"] == "0.5"
    (again,) = [e for e in generate(tiny_components, other.image.settings, {}) if isinstance(e, Drawn)]
    assert differ(again, other) <= 1


@pytest.mark.parametrize("content", ["fill", "original", "latent noise", "latent nothing"])
@pytest.mark.parametrize("area", ["whole picture", "only masked"])
def test_only_what_is_masked_is_repainted(tiny_components: Components, content: str, area: str) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    asked = settings(steps=4, masked_content=content, inpaint_area=area, mask_blur=2, denoising_strength=0.9)
    (drawn,) = [
        e for e in generate(tiny_components, asked, {}, init_image=picture(), mask=mask) if isinstance(e, Drawn)
    ]
    before, after = np.asarray(picture()), np.asarray(drawn.image.image)
    assert after.shape == before.shape
    assert (after[:, :24] == before[:, :24]).all()
    assert (after[:, 40:] != before[:, 40:]).mean() > 0.8


def test_a_batch_of_repainted_pictures_equals_its_pictures(tiny_components: Components) -> None:
    mask = Image.new("L", (64, 64), 255)

    def drawn(**values: object) -> list[Drawn]:
        asked = settings(steps=4, masked_content="latent noise", **values)
        return [
            e for e in generate(tiny_components, asked, {}, init_image=picture(), mask=mask) if isinstance(e, Drawn)
        ]

    together = drawn(count=2)
    for event in together:
        (alone,) = drawn(seed=event.image.seed)
        assert differ(event, alone) <= 1


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_the_second_pass_enlarges_the_first(tiny_components: Components, upscaler: str) -> None:
    asked = {"hires": True, "hires_scale": 1.5, "hires_upscaler": upscaler, "steps": 4, "hires_steps": 6}
    events = list(generate(tiny_components, settings(count=2, denoising_strength=0.5, **asked), {}))
    sampled = [event for event in events if isinstance(event, Sampled)]
    assert [event.step for event in sampled] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert {event.steps for event in sampled} == {10}
    drawn = [event for event in events if isinstance(event, Drawn)]
    assert [event.image.image.size for event in drawn] == [(96, 96), (96, 96)]
    (alone,) = draw(tiny_components, seed=12, denoising_strength=0.5, **asked)
    assert differ(alone, drawn[1]) <= 1
    fields = parse_infotext(drawn[0].image.infotext)
    assert (fields["Hires upscale"], fields["Hires upscaler"], fields["Size-1"]) == ("1.5", upscaler, "64")


def test_prompts_change_in_the_second_pass_too(tiny_components: Components) -> None:
    asked = {"hires": True, "steps": 4, "hires_steps": 6, "denoising_strength": 0.5, "prompt": "a cat"}
    plain = latents_of(tiny_components, **asked)
    for when, changes in (("1.0", True), ("1.5", True), ("1.8", True), ("2.0", False), ("9", True), ("10", False)):
        found = latents_of(tiny_components, **asked | {"prompt": f"a [cat:dog:{when}]"})
        assert torch.equal(found, plain) != changes, when


def test_a_second_pass_without_denoising_only_enlarges(tiny_components: Components) -> None:
    asked = {"hires": True, "hires_scale": 1.5, "hires_upscaler": "Latent (nearest)", "steps": 4, "count": 2}
    events = list(generate(tiny_components, settings(denoising_strength=0.0, **asked), {}))
    sampled = [event for event in events if isinstance(event, Sampled)]
    assert [(event.step, event.steps) for event in sampled] == [(step, 4) for step in (1, 2, 3, 4, 4)]
    assert sampled[-1].latents.shape == (2, 4, 12, 12)
    assert set(sampled[-1].latents.flatten().tolist()) <= set(sampled[-2].latents.flatten().tolist())
    assert [event.image.image.size for event in events if isinstance(event, Drawn)] == [(96, 96), (96, 96)]


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DDIM", "PLMS", "DPM adaptive", "LCM"])
def test_a_second_pass_with_hardly_any_denoising_stays_what_it_was(tiny_components: Components, sampler: str) -> None:
    asked = {"hires": True, "hires_scale": 1.0, "sampler": sampler, "steps": 4, "width": 64, "guidance_scale": 1.0}
    before, after = (latents_of(tiny_components, denoising_strength=strength, **asked) for strength in (0.0, 0.003))
    assert (after - before).norm() < 0.3 * before.norm()
    assert not torch.equal(before, after)


def test_the_second_pass_may_say_something_else(tiny_components: Components) -> None:
    same = latents_of(tiny_components, hires=True, hires_prompt="a man", hires_sampler="Euler a")
    other = latents_of(tiny_components, hires=True, hires_prompt="a dog")
    plain = latents_of(tiny_components, hires=True)
    torch.testing.assert_close(same, plain)
    assert not torch.allclose(other, plain)


def test_each_pass_draws_under_the_hypernetworks_of_its_own_prompt(tiny_components: Components) -> None:
    structure, sizes = Structure(), attention_widths(tiny_components.unet)
    source = torch.Generator().manual_seed(0)
    weights = tuple(0.3 * torch.randn(shape, generator=source) for shape in all_shapes(structure, sizes))
    known = {"ana": Hypernetwork("ana", sizes, structure, weights)}

    def last(**values: object) -> list[torch.Tensor]:
        events = generate(tiny_components, settings(hires=True, steps=2, **values), {}, known)
        return [event.latents for event in events if isinstance(event, Sampled)]

    plain, tagged = last(), last(prompt="a man<hypernet:ana:2>")
    first_alone = last(prompt="a man<hypernet:ana:2>", hires_prompt="a man")
    second_alone = last(hires_prompt="a man<hypernet:ana:2>")
    torch.testing.assert_close(first_alone[1], tagged[1])
    torch.testing.assert_close(second_alone[1], plain[1])
    assert not torch.allclose(first_alone[-1], tagged[-1])
    assert not torch.allclose(second_alone[-1], plain[-1])
    chosen = last(hires_prompt="a man", hypernetwork="ana", hypernetwork_strength=2.0)
    torch.testing.assert_close(chosen, tagged)
    with pytest.raises(PromptError, match="strength of the hypernetwork ana"):
        last(hires_prompt="a man<hypernet:ana:loud>")


@pytest.mark.parametrize("name", ["LMS", "k_lms_ka"])
def test_the_second_pass_keeps_the_schedule(tiny_components: Components, name: str) -> None:
    same, other = (
        latents_of(tiny_components, hires=True, sampler="LMS", schedule="Karras", hires_sampler=each)
        for each in (None, name)
    )
    torch.testing.assert_close(same, other)


def test_a_joined_name_for_the_second_pass_keeps_its_schedule(tiny_components: Components) -> None:
    plain, joined = (
        latents_of(tiny_components, hires=True, hires_sampler=name, sampler="Euler") for name in ("LMS", "LMS Karras")
    )
    assert not torch.allclose(plain, joined)
    (drawn,) = draw(tiny_components, hires=True, hires_sampler="k_lms_ka", sampler="DDIM")
    assert parse_infotext(drawn.image.infotext)["Hires sampler"] == "LMS Karras"


def test_variations_have_one_seed_and_seeds_of_their_own(tiny_components: Components) -> None:
    drawn = draw(tiny_components, count=2, variation_strength=0.3, variation_seed=50)
    assert [event.image.seed for event in drawn] == [11, 11]
    assert [event.image.settings.variation_seed for event in drawn] == [50, 51]
    (again,) = [e for e in generate(tiny_components, drawn[1].image.settings, {}) if isinstance(e, Drawn)]
    assert differ(again, drawn[1]) <= 1
    assert differ(drawn[0], drawn[1]) > 1


def test_a_tiled_picture_can_be_cut_anywhere(tiny_components: Components) -> None:
    """Noise moved around gives the picture moved around: there is no edge."""
    plain, tiled = (draw(tiny_components, tiling=tiling)[0].image for tiling in (False, True))
    assert "Tiling: True" in tiled.infotext
    assert plain.image.tobytes() != tiled.image.tobytes()
    assert all(m.padding_mode == "zeros" for m in tiny_components.unet.modules() if isinstance(m, torch.nn.Conv2d))


def test_samplers_that_draw_one_by_one_do_so(tiny_components: Components) -> None:
    together = draw(tiny_components, count=2, sampler="DPM adaptive")
    (alone,) = draw(tiny_components, seed=12, sampler="DPM adaptive")
    assert together[1].image.image.tobytes() == alone.image.image.tobytes()


def test_whoever_stops_listening_stops_the_work_within_one_step(tiny_components: Components) -> None:
    calls = []
    handle = tiny_components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        for sampler in ("Euler a", "DPM++ 2S a", "Heun"):
            calls.clear()
            run = generate(tiny_components, settings(steps=9, sampler=sampler, guidance_scale=3.0), {})
            next(run)
            next(run)
            run.close()
            assert len(calls) == 2
    finally:
        handle.remove()


def test_wrong_starts_are_refused_before_the_first_step(tiny_components: Components) -> None:
    with pytest.raises(PhotoError, match=r"nowhere\.png"):
        next(generate(tiny_components, settings(init_image="nowhere.png"), {}))
    with pytest.raises(SettingsError, match="multiples of 8"):
        next(generate(tiny_components, settings(hires=True, hires_resize="100x100"), {}))


@pytest.mark.skipif(find_spec("openvino") is None, reason="wants the openvino extra")
def test_another_engine_draws_the_same_picture_with_vectors_schedules_and_all(tiny_components: Components) -> None:
    compiled = on_openvino(tiny_components, dtype=torch.float32)
    embeddings = {"ana-1": Embedding("ana-1", (torch.full((2, 32), 0.1).cumsum(1),))}
    asked = {
        "prompt": "[ana-1|cat] (hat:1.2) [a:b:0.5] AND red :0.5",
        "negative_prompt": "dog",
        "guidance_min_sigma": 1,
    }
    wanted = latents_of(tiny_components, embeddings, **asked)
    found = latents_of(compiled, embeddings, engine="openvino", **asked)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    without = latents_of(compiled, engine="openvino", **asked)
    assert not torch.allclose(found, without, atol=1e-2)
    (drawn,) = draw(compiled, engine="openvino")
    assert parse_infotext(drawn.image.infotext)["Engine"] == "openvino"


def test_a_hypernetwork_and_a_compiled_unet_are_refused_together(tiny_components: Components) -> None:
    asked = {"prompt": "a man <hypernet:ana:0.5>"}, {"hires": True, "hires_prompt": "<hypernet:ana:0.5>"}
    for values in asked:
        with pytest.raises(SettingsError, match="the hypernetwork ana reaches into the U-Net"):
            next(
                generate(
                    tiny_components,
                    settings(engine="openvino", **values),
                    {},
                    {"ana": SimpleNamespace(name="ana")},  # type: ignore[dict-item]
                )
            )
