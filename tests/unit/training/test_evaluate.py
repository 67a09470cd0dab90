import dataclasses
from collections import Counter

import pytest
import torch

from retrato.model import Components, initial_vectors
from retrato.settings import TrainSettings
from retrato.training.evaluate import evaluate, evaluation_batches, has_settled
from retrato.training.latent_cache import LatentCache
from retrato.training.learnable import learnable_of
from retrato.training.recipes import RECIPES, resolve
from retrato.training.step import Batch, Material, read_diffusion

LATENTS = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
MATERIAL = Material(
    LatentCache(LATENTS, LATENTS * 0), ("red hat", "", "a cat"), ("[name], [filewords]", "a photo of [name]"), "ana-t1"
)


def batch_of(pairs: int, material: Material = MATERIAL, seed: int = 0) -> Batch:
    (batch,) = evaluation_batches([material], 1000, pairs=pairs, seed=seed)
    return batch


def many(count: int) -> Material:
    latents = torch.arange(float(count))[:, None, None, None].expand(count, 4, 8, 8)
    return Material(LatentCache(latents, latents * 0), ("",) * count, ("[name]",), "ana-t1")


def test_few_photos_meet_every_part_of_the_timesteps() -> None:
    batch = batch_of(pairs=24)
    assert batch.timesteps.tolist() == [62, 187, 312, 437, 562, 687, 812, 937] * 3
    assert torch.equal(batch.latents, LATENTS.repeat_interleave(8, dim=0))
    assert batch.texts == ("ana-t1, red hat",) * 8 + ("a photo of ana-t1",) * 8 + ("ana-t1, a cat",) * 8


@pytest.mark.parametrize(("count", "expected"), [(1, 32), (3, 33), (4, 32), (5, 35), (20, 40), (32, 32), (200, 32)])
def test_there_are_about_as_many_pairs_as_asked_for_and_all_parts_of_the_timesteps(count: int, expected: int) -> None:
    batch = batch_of(pairs=32, material=many(count))
    met = Counter(batch.timesteps.tolist())
    assert (len(batch.texts), len(met) >= 8) == (expected, True)
    assert max(met.values()) - min(met.values()) <= 1
    pairs = list(zip(batch.latents[:, 0, 0, 0].tolist(), batch.timesteps.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    photos = {photo for photo, _ in pairs}
    assert len(photos) == min(count, 32)
    assert max(photos) >= count * 31 // 32


def test_photos_of_several_shapes_take_turns_as_if_they_were_of_one() -> None:
    parts = [many(count) for count in (151, 1, 48)]
    batches = evaluation_batches(parts, 1000, pairs=32, seed=0)
    timesteps = [timestep for batch in batches for timestep in batch.timesteps.tolist()]
    assert timesteps == batch_of(pairs=32, material=many(200)).timesteps.tolist()
    assert len(batches) == 2, "the single photo is none of the 32"


def loss(
    components: Components,
    vectors: tuple[torch.Tensor, ...],
    batch_size: int = 8,
    seed: int = 0,
    material: Material = MATERIAL,
) -> float:
    batch = batch_of(6, material, seed)
    diffusion = read_diffusion(components)
    settings = TrainSettings(name="ana-t1")
    learnable = learnable_of(components, settings, resolve(settings, RECIPES["retrato"], 8))
    return evaluate(components, diffusion, [batch], learnable, vectors, batch_size=batch_size, autocast=False)


def test_is_bit_equal_when_repeated_and_tells_vectors_apart(tiny_components: Components) -> None:
    vectors = initial_vectors(tiny_components, "person", 2)
    assert loss(tiny_components, vectors) == loss(tiny_components, vectors)
    assert loss(tiny_components, vectors) != loss(tiny_components, tuple(-each for each in vectors))
    assert loss(tiny_components, vectors) != loss(tiny_components, vectors, seed=1)


def test_the_size_of_the_parts_does_not_matter(tiny_components: Components) -> None:
    vectors = initial_vectors(tiny_components, "person", 2)
    assert loss(tiny_components, vectors, 1) == pytest.approx(loss(tiny_components, vectors, 8), rel=1e-5)


def test_where_memory_is_full_parts_are_halved_and_texts_stay_as_long(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, rows = initial_vectors(tiny_components, "person", 2), []
    long = dataclasses.replace(MATERIAL, captions=("cat " * 80, "", "a cat"))
    whole, real = loss(tiny_components, vectors, 4, material=long), tiny_components.unet.forward

    def full(sample: torch.Tensor, *told: object, **named: object) -> object:
        rows.append(len(sample))
        if len(sample) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(sample, *told, **named)

    monkeypatch.setattr(tiny_components.unet, "forward", full)
    assert loss(tiny_components, vectors, 4, material=long) == pytest.approx(whole, rel=1e-5)
    assert rows == [4, 2, 2, 2]
    assert loss(tiny_components, vectors, 2, material=long) != pytest.approx(whole, rel=1e-5)


def test_leaves_no_graph_behind(tiny_components: Components) -> None:
    vectors = tuple(each.requires_grad_(True) for each in initial_vectors(tiny_components, "person", 2))
    loss(tiny_components, vectors)
    assert all(each.grad is None for each in vectors)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], False),
        ([1.0, 0.9, 0.8, 0.7], False),
        ([1.0, 0.9, 0.91, 0.92], False),
        ([1.0, 0.9, 0.91, 0.92, 0.93], True),
        ([1.0, 0.9, 0.8999, 0.8998, 0.8997], True),
        ([1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.1, 1.1, 0.9, 1.0], False),
    ],
)
def test_settles_after_three_evaluations_without_a_gain(losses: list[float], expected: bool) -> None:
    evaluations = list(enumerate(losses))
    assert has_settled(evaluations, 3, 0.01) is expected
    assert has_settled(evaluations, None, 0.01) is False
