import copy
import dataclasses

import pytest
import torch
from diffusers import DDPMScheduler

from retrato.errors import ModelError
from retrato.model import Components, initial_vectors, token_chunks
from retrato.model.device import cpu_trains_in_bfloat16
from retrato.sampling.guidance import Guidance, predict
from retrato.settings import TrainSettings
from retrato.training.latent_cache import LatentCache
from retrato.training.learnable import Learnable, learnable_of
from retrato.training.recipes import RECIPES, Plan, resolve
from retrato.training.step import (
    WHOLE,
    Batch,
    Diffusion,
    Material,
    Share,
    draw_batch,
    draw_photos,
    draw_timesteps,
    draw_turn,
    gradients,
    losses,
    read_diffusion,
)

SETTINGS = TrainSettings(name="ana-t1", steps=100, batch_size=4, seed=7)


def plan(**changes: object) -> Plan:
    return dataclasses.replace(resolve(SETTINGS, RECIPES["retrato"], 8), **changes)


def embedding(components: Components) -> Learnable:
    return learnable_of(components, SETTINGS, plan())


@pytest.fixture
def material() -> Material:
    latents = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    captions = tuple(f"number {number}, red hat, a cat" for number in range(8))
    return Material(LatentCache(latents, latents * 0 - 1), captions, ("a photo of [name], [filewords]",), "ana-t1")


def diffusion_of(prediction_type: str) -> tuple[Diffusion, DDPMScheduler]:
    scheduler = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
    )
    return Diffusion(scheduler.alphas_cumprod, prediction_type), scheduler


def test_each_photo_comes_once_per_round() -> None:
    drawn = torch.cat([draw_photos(7, 3, seed=1, turn=step) for step in range(14)])
    for start in range(0, 42, 7):
        assert sorted(drawn[start : start + 7].tolist()) == list(range(7))
    assert len({tuple(drawn[start : start + 7].tolist()) for start in range(0, 42, 7)}) > 1


def test_stratified_timesteps_come_one_from_each_part() -> None:
    for step in range(20):
        parts = draw_timesteps(8, 1000, True, seed=0, step=step) // 125
        assert parts.tolist() == list(range(8))
    uniform = torch.stack([draw_timesteps(8, 1000, False, seed=0, step=step) // 125 for step in range(20)])
    assert any(row.tolist() != list(range(8)) for row in uniform)
    assert 0 <= int(uniform.min()) <= int(uniform.max()) < 8


@pytest.mark.parametrize("latent_sampling", ["once", "deterministic", "random"])
def test_a_step_draws_from_seed_and_number_alone(material: Material, latent_sampling: str) -> None:
    rule = plan(latent_sampling=latent_sampling, shuffle_tags=True, tag_dropout=0.5)
    first, again = draw_batch([material], rule, 1000, 5), draw_batch([material], rule, 1000, 5)
    assert first.texts == again.texts
    for name in ("latents", "noise", "timesteps"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    for other in (draw_batch([material], rule, 1000, 6), draw_batch([material], plan(seed=8), 1000, 5)):
        assert not torch.equal(first.noise, other.noise)
        assert not torch.equal(first.timesteps, other.timesteps)


def test_latents_and_words_belong_together(material: Material) -> None:
    batch = draw_batch([material], plan(), 1000, 3)
    for text, latents in zip(batch.texts, batch.latents, strict=True):
        number = int(text.split("number ")[1].split(",")[0])
        assert torch.equal(latents, material.latents.mean[number])
        assert text == f"a photo of ana-t1, number {number}, red hat, a cat"


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_noise_and_target_are_those_of_diffusers(prediction_type: str) -> None:
    diffusion, scheduler = diffusion_of(prediction_type)
    latents, noise, timesteps = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    noisy, target = diffusion.noisy_and_target(latents, noise, timesteps)
    assert torch.allclose(noisy, scheduler.add_noise(latents, noise, timesteps), atol=1e-6)
    expected = noise if prediction_type == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
    assert torch.allclose(target, expected, atol=1e-6)


def test_refuses_a_model_that_predicts_something_else(tiny_components: Components) -> None:
    config = {**tiny_components.scheduler_config, "prediction_type": "sample"}
    with pytest.raises(ModelError, match="'sample'"):
        read_diffusion(dataclasses.replace(tiny_components, scheduler_config=config))


def example(components: Components) -> tuple[Diffusion, Batch, tuple[torch.Tensor, ...]]:
    shape = (3, components.latent_channels, 8, 8)
    latents, noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(3))
    texts = ("a photo of ana-t1", "ana-t1, red hat", "a cat and ana-t1")
    batch = Batch(latents, noise, torch.tensor([10, 400, 900]), texts)
    return read_diffusion(components), batch, initial_vectors(components, "a man", 2)


def learn(
    components: Components, batch: Batch, vectors: tuple[torch.Tensor, ...], rule: Plan, autocast: bool = False
) -> tuple[float, tuple[torch.Tensor, ...]]:
    diffusion = read_diffusion(components)
    return gradients(components, diffusion, batch, embedding(components), vectors, rule, autocast, step=0)


def reference_gradient(
    components: Components, diffusion: Diffusion, batch: Batch, vectors: torch.Tensor
) -> torch.Tensor:
    """The gradient by the usual way: new rows in a copy of the token table, new ids in the text."""
    encoder, tokenizer = copy.deepcopy(components.text_encoders[0]), components.tokenizers[0]
    table = encoder.get_input_embeddings()
    rows = vectors.clone().requires_grad_(True)
    old = table.weight.detach().clone()
    table.forward = lambda ids: torch.nn.functional.embedding(ids, torch.cat([old, rows]))
    ids = []
    for text in batch.texts:
        (chunk,) = token_chunks(components, text, {"ana-t1": len(vectors)})
        own = list(chunk.token_ids)
        for slot in chunk.slots:
            own[slot.offset : slot.offset + slot.vectors] = range(len(old), len(old) + slot.vectors)
        padding = [tokenizer.pad_token_id] * (75 - len(own))
        ids.append([tokenizer.bos_token_id, *own, tokenizer.eos_token_id, *padding])
    states = encoder(torch.tensor(ids)).last_hidden_state
    noisy, target = diffusion.noisy_and_target(batch.latents, batch.noise, batch.timesteps)
    answer = components.unet(noisy, batch.timesteps, encoder_hidden_states=states).sample
    loss = torch.nn.functional.mse_loss(answer, target)
    return torch.autograd.grad(loss, rows)[0]


def test_with_photos_of_several_shapes_each_comes_once_per_round_too(material: Material) -> None:
    """Materials of 1, 5 and 14 photos, four of them in a step: after 20 steps each had four passes, all along about."""
    counts = (1, 5, 14)
    captions = [[f"shape {shape} number {number}" for number in range(count)] for shape, count in enumerate(counts)]
    materials = [
        dataclasses.replace(
            material, captions=tuple(own), latents=LatentCache(torch.zeros(len(own), 1, 1, 1), torch.zeros(1))
        )
        for own in captions
    ]
    passes = dict.fromkeys((text for own in captions for text in own), 0)
    for step in range(200):
        batch = draw_batch(materials, plan(latent_sampling="deterministic"), 1000, step)
        assert len({text.split(" number")[0] for text in batch.texts}) == 1
        for text in batch.texts:
            passes[text.removeprefix("a photo of ana-t1, ")] += 1
        assert max(passes.values()) - min(passes.values()) <= 8
        if step % 20 == 19:
            assert set(passes.values()) == {(step + 1) // 5}


def test_turns_of_shapes_are_drawn_from_seed_and_step_alone() -> None:
    row = [draw_turn((2, 6), 7, step) for step in range(40)]
    assert [draw_turn((2, 6), 7, step) for step in reversed(range(40))] == row[::-1]
    assert [draw_turn((2, 6), 8, step) for step in range(40)] != row
    for which in range(2):
        turns = [turn for whose, turn in row if whose == which]
        assert turns == list(range(len(turns)))
    assert row[:8] != [(which, turn - 6 * which) for which, turn in row[8:16]]
    assert [draw_turn((5,), 7, step) for step in (0, 3, 100)] == [(0, 0), (0, 3), (0, 100)]


def test_the_gradient_is_that_of_rows_in_the_token_table(tiny_components: Components) -> None:
    diffusion, batch, vectors = example(tiny_components)
    expected = reference_gradient(tiny_components, diffusion, batch, vectors[0])
    _, (found,) = learn(tiny_components, batch, vectors, plan())
    assert float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.skipif(not cpu_trains_in_bfloat16(), reason="this processor has no bfloat16, so it is never used here")
def test_the_gradient_in_bfloat16_is_close(tiny_components: Components) -> None:
    _, batch, vectors = example(tiny_components)
    exact_loss, (exact,) = learn(tiny_components, batch, vectors, plan())
    loss, (found,) = learn(tiny_components, batch, vectors, plan(), True)
    assert loss == pytest.approx(exact_loss, rel=1e-2)
    assert float((found - exact).norm() / exact.norm()) < 3e-2


def test_working_in_parts_changes_nothing_but_rounding(tiny_components: Components) -> None:
    _, batch, vectors = example(tiny_components)
    whole_loss, (whole,) = learn(tiny_components, batch, vectors, plan(batch_size=3))
    loss, (parts,) = learn(tiny_components, batch, vectors, plan(batch_size=1))
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert float((parts - whole).norm() / whole.norm()) < 1e-5


@pytest.mark.parametrize(("count", "at_once"), [(2, None), (2, 1), (4, 2)])
def test_shares_add_up_to_the_whole(tiny_components: Components, count: int, at_once: int | None) -> None:
    """Also with texts of different length, which are padded alike, and with more processes than examples."""
    diffusion, batch, vectors = example(tiny_components)
    batch = dataclasses.replace(batch, texts=(batch.texts[0], "ana-t1, " + "red hat, " * 40, batch.texts[2]))
    what, rule = embedding(tiny_components), plan(batch_size=3)

    def part(share: Share, at_once: int | None = None) -> tuple[float, tuple[torch.Tensor, ...]]:
        return gradients(tiny_components, diffusion, batch, what, vectors, rule, False, 0, share, at_once)

    whole_loss, (whole,) = part(WHOLE)
    shares = [part(Share(first, count), at_once) for first in range(count)]
    assert sum(loss for loss, _ in shares) == pytest.approx(whole_loss, rel=1e-5)
    assert float((sum(each for _, (each,) in shares) - whole).norm() / whole.norm()) < 1e-5


def test_no_weight_of_the_model_gets_a_gradient(tiny_components: Components) -> None:
    diffusion, batch, vectors = example(tiny_components)
    leaf = vectors[0].clone().requires_grad_(True)
    with embedding(tiny_components).entered((leaf,), 0) as encode:
        losses(tiny_components, diffusion, batch, encode(batch.texts), False).mean().backward()
    assert leaf.grad is not None
    assert float(leaf.grad.norm()) > 0
    assert all(weight.grad is None for module in tiny_components.modules for weight in module.parameters())


def test_both_text_encoders_of_xl_learn(tiny_xl_components: Components) -> None:
    diffusion, batch, vectors = example(tiny_xl_components)
    loss, found = gradients(
        tiny_xl_components, diffusion, batch, embedding(tiny_xl_components), vectors, plan(), False, 0
    )
    assert [each.shape for each in found] == [(2, 32), (2, 48)]
    assert loss > 0
    assert all(float(each.norm()) > 0 for each in found)


def test_xl_is_told_the_same_in_training_as_in_drawing(tiny_xl_components: Components) -> None:
    """Pooled text and sizes, for pictures that are no squares."""
    model = tiny_xl_components
    diffusion, batch, vectors = example(model)
    wide = dataclasses.replace(batch, latents=batch.latents[..., :4, :], noise=batch.noise[..., :4, :])
    told = []

    def hear(unet: object, inputs: object, further: dict[str, dict[str, torch.Tensor]]) -> None:
        told.append(further["added_cond_kwargs"])

    handle = model.unet.register_forward_pre_hook(hear, with_kwargs=True)
    try:
        with torch.no_grad(), embedding(model).entered(vectors, None) as encode:
            conditioning = encode(wide.texts)
            losses(model, diffusion, wide, conditioning, False)
            each = tuple((conditioning.row(number), 1.0) for number in range(3))
            predict(model, wide.latents[:1], torch.tensor(10), Guidance(each[:2], conditioning.row(2), 2.0))
    finally:
        handle.remove()
    trained, drawn = told
    assert trained["time_ids"].tolist() == drawn["time_ids"].tolist() == [[32, 64, 0, 0, 32, 64]] * 3
    assert torch.equal(trained["text_embeds"], conditioning.pooled)
    assert torch.equal(drawn["text_embeds"], conditioning.pooled[[2, 0, 1]])


def test_a_mask_says_where_the_loss_counts(tiny_components: Components) -> None:
    diffusion, batch, _ = example(tiny_components)
    left = torch.zeros(3, 1, 8, 8)
    left[..., :4] = 2.0
    conditioning = embedding(tiny_components).start

    def loss(masks: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad(), embedding(tiny_components).entered(conditioning, None) as encode:
            masked = dataclasses.replace(batch, masks=masks)
            return losses(tiny_components, diffusion, masked, encode(batch.texts), False)

    assert torch.allclose(loss(torch.ones(3, 1, 8, 8)), loss(None))
    assert torch.allclose((loss(left) + loss(2 - left)) / 2, loss(None), rtol=1e-4)
    assert not torch.allclose(loss(left), loss(2 - left))
    (part,) = dataclasses.replace(batch, masks=left).split(3)
    assert part.masks is not None
    assert torch.equal(part.masks, left)
