from pathlib import Path

import pytest
import torch

from retrato.embeddings import Embedding, write_embedding
from retrato.errors import RetratoError, SettingsError
from retrato.generation import AXES, parse_axis
from retrato.generation.axes import State
from retrato.settings import GenerateSettings

START = GenerateSettings(prompt="a red hat and a blue shoe", seed=5, styles=("Dull",))


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("Seed=1-4", ("1", "2", "3", "4")),
        ("seed = 7", ("7",)),
        ("Steps=10-30 (+10), 50", ("10", "20", "30", "50")),
        ("Steps=30-10 (-10)", ("30", "20", "10")),
        ("Steps=3-1", ("3", "2", "1")),
        ("CFG Scale=1-10 [5]", ("1", "3.25", "5.5", "7.75", "10")),
        ("Denoising=0.2-0.6 (+0.2)", ("0.2", "0.4", "0.6")),
        ("Vector strength=0-1 [3]", ("0", "0.5", "1")),
        ("Steps=1-9 [3]", ("1", "5", "9")),
        ("Steps=1-10 [5]", ("1", "3", "5", "7", "10")),
        ("Seed=10-1[5]", ("10", "7", "5", "3", "1")),
        ("Seed=9007199254740993-9007199254740994", ("9007199254740993", "9007199254740994")),
        ("Clip skip=1 - 5 ( +2 )", ("1", "3", "5")),
        ("Denoising=0.-1. [3]", ("0", "0.5", "1")),
        ("CFG Scale=+1-2 (+.5)", ("1", "1.5", "2")),
        ("Prompt S/R=red\ngreen", ("red", "green")),
        ("Sampler=Euler a, LMS", ("Euler a", "LMS")),
        ('Prompt S/R=red hat,"a, b"', ("red hat", "a, b")),
        ("Prompt order=red,blue", ("red, blue", "blue, red")),
        ("Checkpoint name=mini,/home/me/sd-v1.5.ckpt,/home/me/sd-v1.5-x", ("mini", "sd-v1.5", "sd-v1.5-x")),
        ("VAE=None,/a/sharp.vae.safetensors", ("None", "sharp.vae")),
        ('Styles=None,Oil,"Oil,Pixel"', ("None", "Oil", "Oil,Pixel")),
    ],
)
def test_values_are_read_as_in_a1111(written: str, labels: tuple[str, ...]) -> None:
    assert parse_axis(written).labels == labels


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("Sead=1-4", "such as Seed"),
        ("Seed", "Name=values"),
        ("", "Name=values"),
        ("x" * 100_000, "Name=values"),
        ("Seed=", "has no values"),
        ("Seed=abc", "write numbers"),
        ("Seed=1-5 (-1)", "does not lead"),
        ("Seed=1-5 (+0)", "does not lead"),
        ("Seed=1-250", "has more than 100 values: at most 100"),
        ("Prompt order=a,b,c,d,e", "at most 4"),
        ("Prompt S/R=" + "x" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_axis_is_said(written: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_axis(written)


@pytest.mark.parametrize(
    ("written", "field", "values"),
    [
        ("Seed=1-2", "seed", [1, 2]),
        ("Var. strength=0-1 [2]", "variation_strength", [0.0, 1.0]),
        ("Sampler=LMS,Heun", "sampler", ["LMS", "Heun"]),
        ("Tiling=True,false", "tiling", [True, False]),
        ("Size=64x128,128 x 64", "width", [64, 128]),
        ("Prompt S/R=red,green", "prompt", ["a red hat and a blue shoe", "a green hat and a blue shoe"]),
        ("Prompt order=blue,red", "prompt", ["a blue hat and a red shoe", "a red hat and a blue shoe"]),
        ("Nothing=this,that", "seed", [5, 5]),
        ('Styles=none,Oil,"Oil, Pixel"', "styles", [("Dull",), ("Dull", "Oil"), ("Dull", "Oil", "Pixel")]),
    ],
)
def test_each_value_changes_what_it_says(written: str, field: str, values: list[object]) -> None:
    axis = parse_axis(written)
    assert [getattr(change(State(START, {})).settings, field) for change in axis.changes] == values


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("Prompt S/R=green,red", "in neither prompt"),
        ("Prompt S/R=,red", "looks for nothing"),
        ("Prompt order=green,red", "not in the prompt"),
        ("Size=64", "such as 512x768"),
        ("Steps=0", "steps is"),
        ("Tiling=perhaps", "tiling is"),
        ("Embedding checkpoint=nowhere.safetensors", "nowhere"),
    ],
)
def test_values_that_cannot_be_are_said_when_they_are_applied(written: str, says: str) -> None:
    change = parse_axis(written).changes[0]
    with pytest.raises(RetratoError, match=says):
        change(State(START, {}))


def test_an_embeddings_checkpoints_and_strength_are_axes(tmp_path: Path) -> None:
    early, late = (
        write_embedding(Embedding("ana-t1", (torch.full((1, 4), value),)), tmp_path / f"ana-t1-{step}.safetensors")
        for step, value in ((50, 1.0), (100, 2.0))
    )
    state = State(START.changed(prompt="a photo of ana-t1"), {"ana-t1": Embedding("ana-t1", (torch.zeros(1, 4),))})
    axis = parse_axis(f"Embedding checkpoint={early},{late}")
    assert [float(change(state).embeddings["ana-t1"].vectors[0][0, 0]) for change in axis.changes] == [1.0, 2.0]
    half = parse_axis("Vector strength=0.5")
    assert float(half.changes[0](axis.changes[1](state)).embeddings["ana-t1"].vectors[0][0, 0]) == 1.0
    assert half.rank > axis.rank
    with pytest.raises(SettingsError, match="ana-t1 is not in the prompt"):
        axis.changes[0](State(START, {}))


def test_models_and_vaes_are_named_for_whoever_can_load_them() -> None:
    model, vae = parse_axis("Checkpoint name=other"), parse_axis("VAE=None,sharp")
    state = model.changes[0](vae.changes[1](State(START, {})))
    assert (state.model, state.vae, state.settings) == ("other", "sharp", START)
    assert vae.changes[0](State(START, {})).vae == "automatic"
    with pytest.raises(SettingsError, match="has an empty value"):
        parse_axis("Checkpoint name=mini,,other")


@pytest.mark.parametrize(("name", "field"), [("Seed", "seed"), ("Var. seed", "variation_seed")])
def test_a_seed_that_is_left_open_is_drawn_once_for_all_cells(name: str, field: str) -> None:
    axis = parse_axis(f"{name}=-1,,7")
    seeds = [[getattr(change(State(START, {})).settings, field) for change in axis.changes] for _ in range(2)]
    assert seeds[0] == seeds[1] == [int(label) for label in axis.labels]
    assert -1 not in seeds[0]
    assert len(set(seeds[0])) == 3
    assert seeds[0][2] == 7


def test_every_axis_has_a_value_that_works() -> None:
    assert len(AXES) > 20
