"""A picture says all that is needed to draw it again, to the bit."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato import Studio
from retrato.cli import main
from retrato.embeddings import Embedding, EmbeddingLibrary
from retrato.generation import read_infotext
from retrato.sampling import SAMPLERS
from retrato.settings import GenerateSettings


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("retrato.model.load.EMBEDDED", tiny_folder)
    library = EmbeddingLibrary(tmp_path / "home/embeddings")
    library.add(Embedding("ana-1", (torch.full((2, 32), 0.1).cumsum(1),)))
    return Studio.open()


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler(studio: Studio, tmp_path: Path, sampler: str) -> None:
    settings = GenerateSettings(
        prompt="[ana-1|cat] (hat:1.2) AND red :0.5", negative_prompt="dog", sampler=sampler, steps=4, seed=7, count=3,
        clip_skip=2,
    )  # fmt: skip
    files = [image.save(tmp_path / "out") for image in studio.draw(settings)]
    (event,) = [event for event in studio.draw_again(studio.recall(files[1])) if hasattr(event, "image")]
    again = event.image.save(tmp_path / "again")
    assert np.array_equal(pixels(again), pixels(files[1]))
    assert read_infotext(again) == read_infotext(files[1])
    assert not np.array_equal(pixels(files[0]), pixels(files[1]))


@pytest.mark.parametrize(
    "values",
    [
        {"hires": True, "hires_scale": 1.5, "denoising_strength": 0.6},
        {"variation_seed": 3, "variation_strength": 0.4, "tiling": True, "seed_resize_from": "64x128"},
        {"init_image": "photo.png", "denoising_strength": 0.5},
        {"init_image": "photo.png", "mask": "mask.png", "inpaint_area": "only masked", "mask_padding": 8},
        pytest.param(
            {"engine": "openvino"},
            marks=pytest.mark.skipif(find_spec("openvino") is None, reason="wants the openvino extra"),
        ),
    ],
)
def test_every_way_of_drawing(
    studio: Studio, tmp_path: Path, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save("photo.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 40, 40))
    mask.save("mask.png")
    settings = GenerateSettings(prompt="a cat", steps=3, seed=7, count=2, **values)
    files = [image.save("out") for image in studio.draw(settings)]
    pictures = {name: values[name] for name in ("init_image", "mask") if name in values}
    again = ["generate", "--from", str(files[1]), "--out", "again"]
    if pictures:
        assert main(again) == 2
    for name, value in pictures.items():
        again += [f"--{name.replace('_', '-')}", str(value)]
    assert main(again) == 0
    (file,) = Path("again").iterdir()
    assert np.array_equal(pixels(file), pixels(files[1]))
    assert read_infotext(file) == read_infotext(files[1])


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_on_the_command_line(studio: Studio, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = ["generate", "a {cat|dog} in a hat", "--steps", "2", "--seed", "3", "--count", "2", "--format", ending]
    assert main([*drawn, "--out", str(tmp_path / "out"), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["images"][1]
    assert first["file"].endswith(f"-4.{ending}")
    again = ["generate", "--from", first["file"], "--out", str(tmp_path / "again"), "--json"]
    assert main([*again, "--format", ending]) == 0
    (second,) = json.loads(capsys.readouterr().out)["images"]
    assert second["infotext"] == first["infotext"]
    assert Path(second["file"]).read_bytes() == Path(first["file"]).read_bytes()
    assert main([*again, "--seed", "9", "--size", "128x64"]) == 0
    (third,) = json.loads(capsys.readouterr().out)["images"]
    assert (third["seed"], pixels(Path(third["file"])).shape) == (9, (64, 128, 3))
    assert third["infotext"].splitlines()[0] == first["infotext"].splitlines()[0]


@pytest.fixture
def again(studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Draws the picture that says a text anew, with more options, and gives what the new one says."""

    def draw(said: str, *options: str) -> str:
        facts = PngInfo()
        facts.add_text("parameters", said)
        Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=facts)
        assert main(["generate", "--from", str(tmp_path / "a.png"), "--out", str(tmp_path), *options, "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["images"][0]["infotext"])

    return draw


PLAIN = "a cat\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 3, Size: 64x64"
IN_TWO_PASSES = f"{PLAIN}, Denoising strength: 0.6, Hires resize: 96x96, Hires steps: 1, Hires upscaler: Latent"


def test_a_scale_takes_the_place_of_the_pictures_larger_size(again: Callable[..., str]) -> None:
    assert "Hires resize: 96x96" in again(IN_TWO_PASSES)
    scaled = again(IN_TWO_PASSES, "--hires-scale", "2")
    assert "Hires upscale: 2" in scaled
    assert "Hires resize" not in scaled
    assert "Hires resize: 128x96" in again(IN_TWO_PASSES, "--hires-scale", "2", "--hires-resize", "128x96")


def test_a_picture_to_start_from_takes_the_place_of_the_second_pass(again: Callable[..., str], tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(tmp_path / "photo.png")
    for more in ([], ["--seed", "5"]):
        drawn = again(IN_TWO_PASSES, "--init-image", str(tmp_path / "photo.png"), *more)
        assert "Hires" not in drawn
        assert "Denoising strength: 0.6" in drawn


def test_an_old_name_of_sampler_and_schedule_gives_way_to_a_new_schedule_or_sampler(again: Callable[..., str]) -> None:
    old = PLAIN.replace("Euler", "DPM++ 2M Karras") + ", Version: v1.6.0"
    assert "Sampler: DPM++ 2M, Schedule type: Karras" in again(old)
    assert "Sampler: DPM++ 2M, Schedule type: Exponential" in again(old, "--schedule", "Exponential")
    assert "Sampler: Euler, Schedule type: Karras" in again(old, "--sampler", "Euler")
    for sampler in ("DDIM", "DPM++ SDE Exponential"):
        assert "Karras" not in again(old, "--sampler", sampler)


def test_what_is_another_one_now_is_said(studio: Studio, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (file,) = [image.save(tmp_path) for image in studio.draw(GenerateSettings(prompt="ana-1", steps=1, seed=3))]
    studio.library.add(Embedding("ana-1", (torch.zeros(2, 32),)), overwrite=True)
    studio.recall(file)
    assert "the embedding ana-1 has changed since" in caplog.text
    studio.library.remove("ana-1")
    studio.recall(file)
    assert "ana-1 is not in" in caplog.text


def test_what_may_surprise_in_a_prompt_is_said(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    list(studio.draw(GenerateSettings(prompt="a (hat <lora:x>, anna-1", steps=1, seed=3)))
    said = [record.message for record in caplog.records if record.message.startswith("prompt, ")]
    assert [sentence.split(":")[0] for sentence in said] == [f"prompt, character {place}" for place in (3, 8, 18)]


def test_a_picture_without_settings_ends_with_one_line(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert main(["generate", "--from", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]) == 2
    assert main(["generate"]) == 2
    assert main(["generate", "x" * 100_000]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "error:" in line] == said
    assert "does not say how it was drawn" in said[0]
    assert "prompt is missing" in said[1]
    assert len(said[2]) < 200
    assert not (tmp_path / "out").exists()
