import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFont

from retrato.errors import RetratoError
from retrato.generation import (
    Axis,
    Cell,
    GeneratedImage,
    Sampled,
    draw_grid,
    generate,
    parse_axis,
    parse_infotext,
    read_infotext,
    recall,
    save_sheet,
    sheet,
)
from retrato.generation.axes import matrix_axes
from retrato.generation.generate import Drawn
from retrato.generation.grid import sheet_infotext
from retrato.model import Components
from retrato.settings import GenerateSettings

ASKED = GenerateSettings(prompt="a man", steps=2, seed=3, sampler="Euler")


def cells_of(components: Components, settings: GenerateSettings, *axes: str) -> list[Cell]:
    events = draw_grid(components, settings, [parse_axis(axis) for axis in axes], {})
    return [event for event in events if isinstance(event, Cell)]


def test_cells_are_what_their_settings_draw_alone(tiny_components: Components) -> None:
    cells = cells_of(tiny_components, ASKED, "Seed=3,9", "Sampler=Euler,Heun")
    assert [cell.labels for cell in cells] == [("3", "Euler"), ("9", "Euler"), ("3", "Heun"), ("9", "Heun")]
    (alone,) = [
        event.image
        for event in generate(tiny_components, ASKED.changed(seed=9, sampler="Heun"), {})
        if isinstance(event, Drawn)
    ]
    assert cells[3].image.image.tobytes() == alone.image.tobytes()
    assert cells[3].image.infotext == alone.infotext


def test_a_seed_is_drawn_once_for_all(tiny_components: Components) -> None:
    cells = cells_of(tiny_components, ASKED.changed(seed=-1), "Steps=1,2")
    assert len({cell.image.seed for cell in cells}) == 1


def test_a_variations_seed_is_drawn_once_for_all(tiny_components: Components) -> None:
    cells = cells_of(tiny_components, ASKED.changed(variation_strength=0.3), "Sampler=Euler,Euler", "Steps=2,2")
    assert len({cell.image.image.tobytes() for cell in cells}) == 1


def test_the_sheet_has_a_place_for_each(tiny_components: Components, tmp_path: Path) -> None:
    axes = [parse_axis(text) for text in ("Seed=1-3", "Steps=1,2", "Sampler=Euler,Heun")]
    cells = [event for event in draw_grid(tiny_components, ASKED, axes, {}) if isinstance(event, Cell)]
    found = sheet(cells, axes)
    assert found.width > 3 * 64
    assert found.height > 4 * 64
    shown = found.tobytes()
    for cell in cells:  # each picture stands on it, row by row
        first_row = cell.image.image.crop((0, 0, 64, 1)).tobytes()
        assert first_row in shown
    file = save_sheet(cells, axes, tmp_path, is_noted=True)
    assert file.name == "grid-0000.png"
    second = save_sheet(cells, axes, tmp_path, is_noted=True)
    assert second.name == "grid-0001.png"
    second.unlink()
    assert save_sheet(cells, axes, tmp_path, is_noted=True).name == "grid-0002.png"
    text = read_infotext(file) or ""
    added = 'Script: X/Y/Z plot, X Type: Seed, X Values: "1,2,3", Y Type: Steps, Y Values: "1,2", Z Type: Sampler, '
    assert text.replace(f'{added}Z Values: "Euler,Heun", ', "") == cells[0].image.infotext
    assert parse_infotext(text)["Version"].startswith("retrato")
    assert {**recall(text).values} == {**recall(cells[0].image.infotext).values}
    with Image.open(file) as saved:
        assert saved.size == found.size


def test_each_model_is_loaded_once_and_draws_its_own_cells(tiny_components: Components) -> None:
    other = dataclasses.replace(tiny_components, name="other")
    asked: list[tuple[str, str]] = []
    loaded: list[tuple[str, str]] = []

    def find(model: str, vae: str) -> Any:
        asked.append((model, vae))

        def load(settings: GenerateSettings) -> Any:
            loaded.append((model, vae))
            return dataclasses.replace(other, vae_name=vae), {}

        return load

    axes = [parse_axis("Checkpoint name=one,two"), parse_axis("Steps=1,2"), parse_axis("VAE=None,sharp")]
    events = draw_grid(tiny_components, ASKED, axes, {}, find_model=find)
    cells = [event for event in events if isinstance(event, Cell)]
    assert loaded == [("one", "automatic"), ("two", "automatic"), ("one", "sharp"), ("two", "sharp")]
    assert asked[:4] == loaded  # all are looked for before the first step
    assert [cell.place for cell in cells] == [0, 2, 1, 3, 4, 6, 5, 7]
    assert [cell.labels for cell in cells][:3] == [("one", "1", "None"), ("one", "2", "None"), ("two", "1", "None")]
    assert "Model: other" in cells[0].image.infotext
    assert sheet(cells, axes).tobytes() == sheet(sorted(cells, key=lambda cell: cell.place), axes).tobytes()
    rest = list(draw_grid(tiny_components, ASKED, axes, {}, first=5, find_model=find))
    assert [event.place for event in rest if isinstance(event, Cell)] == [6, 5, 7]


@pytest.mark.parametrize("axes", [("Embedding checkpoint=a",), ("Steps=1", "Seed=1", "Embedding checkpoint=a")])
def test_a_sheet_is_as_wide_as_what_stands_above_it(tiny_components: Components, axes: tuple[str, ...]) -> None:
    asked = [parse_axis(axis) for axis in axes]
    (drawn,) = cells_of(tiny_components, ASKED, "Steps=1")
    cell = dataclasses.replace(drawn, labels=("1",) * len(asked), place=(0,) * len(asked))
    assert sheet([cell], asked).width > ImageFont.load_default(15).getlength("Embedding checkpoint")


def test_a_sheet_without_a_studio_says_so(tiny_components: Components) -> None:
    with pytest.raises(RetratoError, match="draw it by a studio"):
        cells_of(tiny_components, ASKED, "Checkpoint name=one")


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        (("Sampler=Euler,Eular",), "did you mean Euler"),
        (("Seed=1-30", "Steps=1-30"), "900 pictures"),
        ((), "0 axes"),
        (("Steps=1,2", "Size=64x64,60x64"), "width is"),
        (("Size=2048x2048,64x64", "Seed=1-22"), "186 megapixels, at most 178 can"),
    ],
)
def test_a_cell_that_cannot_be_stops_all_before_the_first_step(
    tiny_components: Components, axes: tuple[str, ...], says: str
) -> None:
    with pytest.raises(RetratoError, match=says):
        next(draw_grid(tiny_components, ASKED, [parse_axis(axis) for axis in axes], {}))


def test_second_passes_and_pictures_of_which_a_part_is_repainted_count_whole(
    tiny_components: Components, tmp_path: Path
) -> None:
    axes = [parse_axis("Seed=1-100"), parse_axis("Steps=1,2")]
    hires = ASKED.changed(hires=True, hires_scale=4, width=256, height=256)
    Image.new("L", (1024, 1024), 255).save(tmp_path / "cat.png")
    files = {"init_image": str(tmp_path / "cat.png"), "mask": str(tmp_path / "cat.png")}
    for settings in (hires, ASKED.changed(**files, inpaint_area="only masked")):
        with pytest.raises(RetratoError, match="213 megapixels"):
            next(draw_grid(tiny_components, settings, axes, {}))


def test_a_sheet_that_grew_is_made_so_that_it_can_be_opened(
    tiny_components: Components, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that an axis names may draw larger pictures than was known before it was loaded."""
    cells, axes = cells_of(tiny_components, ASKED, "Seed=1,2"), [parse_axis("Seed=1,2")]
    monkeypatch.setattr("retrato.generation.grid.MOST_PIXELS", 3000)
    with Image.open(save_sheet(cells, axes, tmp_path)) as image:
        assert 2700 < image.width * image.height <= 3000


def test_steps_are_said_with_the_cell_they_belong_to(tiny_components: Components) -> None:
    events = draw_grid(tiny_components, ASKED, [parse_axis("Seed=1,2")], {})
    assert [(event.first, event.count) for event in events if isinstance(event, Sampled)] == [(0, 2)] * 2 + [(1, 2)] * 2


def text_of(axes: list[Axis], *people: str, version: str = ", Version: retrato 1.0") -> dict[str, str]:
    """The fields of a sheet whose pictures were drawn with these `TI hashes`; the prompt looks like fields itself."""
    picture = Image.new("RGB", (8, 8))
    text = "a portrait, Version: 2\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 3"
    texts = [text + (f', TI hashes: "{hashes}"' if hashes else "") + version for hashes in people]
    cells = [Cell(GeneratedImage(picture, 3, said, ASKED), ("x",), place) for place, said in enumerate(texts)]
    said = sheet_infotext(cells[::-1], axes)  # they come in any order
    assert said.startswith(text)
    assert said.endswith(version)
    assert said.count("TI hashes") == (1 if any(people) else 0)
    return parse_infotext(said)


@pytest.mark.parametrize("version", [", Version: retrato 1.0", ""])
def test_a_sheet_says_everybody_who_is_on_it(version: str) -> None:
    """Whoever is forgotten is looked for in the pictures' texts, and a sheet's first picture need not show them."""
    fields = text_of([parse_axis("Prompt S/R=person,ana-1")], "", "ana-1: ab", version=version)
    assert (fields["X Type"], fields["X Values"]) == ("Prompt S/R", "person,ana-1")
    assert fields["TI hashes"] == "ana-1: ab"
    assert fields["Prompt"] == "a portrait, Version: 2"
    by_style = text_of([parse_axis("Styles=plain,hers")], "rui: 12", "rui: 12, ana-1: ab", version=version)
    assert by_style["TI hashes"] == "rui: 12, ana-1: ab"


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("Prompt order=a,b", "a, b"),
        ('Styles="one,two",three', '"one,two",three'),
        ("Checkpoint name=/home/ana/a/x.safetensors,/home/ana/b/x.safetensors", "x.safetensors,x.safetensors"),
        ("Prompt S/R=and/or,ana", "and/or,ana"),
    ],
)
def test_values_stand_in_a_sheet_as_one_writes_them(axis: str, values: str) -> None:
    assert text_of([parse_axis(axis)], "")["X Values"] == values


def test_axes_without_a_name_in_a1111_have_none_in_a_sheet() -> None:
    parts = ["ana-1", "red"]
    variants = [ASKED.changed(prompt=", ".join(["a", *more])) for more in ([], ["ana-1"], ["red"], parts)]
    fields = text_of([*matrix_axes(variants, parts), parse_axis("Seed=1,2")], "")
    assert (fields["Script"], fields["X Values"], fields["Y Values"]) == (
        "Prompt matrix",
        "nothing,ana-1",
        "nothing,red",
    )
    assert fields["Z Type"] == "Seed"
    assert not fields.keys() & {"X Type", "Y Type"}
    nothing = text_of([parse_axis("Nothing=a")], "")
    assert "X Values" not in nothing
