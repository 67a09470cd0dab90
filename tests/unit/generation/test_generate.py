import hashlib
from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from PIL import ImageChops

from retrato.embeddings import Embedding
from retrato.errors import EmbeddingError, ModelError, PromptError, SettingsError
from retrato.generation import Drawn, Sampled, generate, parse_infotext, resolve_settings
from retrato.model import Components
from retrato.sampling import noise_for
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


def test_the_latents_are_those_of_diffusers_pipeline(tiny_components: Components) -> None:
    model = tiny_components
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
    assert torch.equal(found, expected)


def test_frozen_weights_stay_bit_identical(tiny_components: Components) -> None:
    before = weights_hash(tiny_components)
    vectors = torch.randn(2, 32)
    embedding = Embedding("benny", (vectors,))
    list(generate(tiny_components, settings(prompt="[benny|cat] (hat:1.2)", clip_skip=2), {"benny": embedding}))
    assert weights_hash(tiny_components) == before
    assert not any(weight.requires_grad for module in tiny_components.modules for weight in module.parameters())


def test_embeddings_act_in_both_prompts(tiny_components: Components) -> None:
    near, far = (Embedding("benny", (torch.full((2, 32), value).cumsum(1),)) for value in (0.1, -0.3))
    for place in ("prompt", "negative_prompt"):
        first, second = (latents_of(tiny_components, {"benny": each}, **{place: "a benny"}) for each in (near, far))
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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)
