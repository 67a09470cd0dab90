"""Drawing from pictures, with masks, in two passes and on sheets, from the command line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from retrato.generation import GeneratedImage

from .conftest import Ran, draw_photo

Run = Callable[..., Ran]


@pytest.fixture
def start(tmp_path: Path) -> Path:
    draw_photo(1).save(tmp_path / "start.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    mask.save(tmp_path / "mask.png")
    mask.crop((0, 0, 32, 64)).save(tmp_path / "narrow.png")
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    (tmp_path / "text.png").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_part_of_a_picture_is_repainted(retrato: Run, start: Path, tiny_folder: Path) -> None:
    picture = ("--init-image", start / "start.png", "--mask", start / "mask.png", "--mask-blur", 2, "--denoise", 0.5)
    ran = retrato("generate", "a man", *picture, "--steps", 4, "--model", tiny_folder, "--out", start / "out", "--json")
    assert ran.code == 0
    (image,) = ran.json["images"]
    assert "Denoising strength: 0.5, Mask blur: 2" in image["infotext"].replace(", RNG: CPU", "")
    with Image.open(image["file"]) as after, Image.open(start / "start.png") as before:
        assert after.crop((0, 0, 64, 6)).tobytes() == before.convert("RGB").crop((0, 0, 64, 6)).tobytes()
        assert after.tobytes() != before.convert("RGB").tobytes()


def test_two_passes_a_variation_and_a_preview(retrato: Run, start: Path, tiny_folder: Path) -> None:
    larger = ("--hires", "--hires-scale", 1.5, "--hires-steps", 2, "--variation-strength", 0.2, "--tiling")
    drawing = ("--steps", 2, "--preview-every", 1, "--model", tiny_folder, "--out", start / "out", "--json")
    ran = retrato("generate", "a man", *larger, *drawing)
    assert ran.code == 0
    (image,) = ran.json["images"]
    with Image.open(image["file"]) as found:
        assert found.size == (96, 96)
    assert files_below(start / "out") == {Path(image["file"])}  # the preview is gone
    (start / "out" / "preview.png").write_bytes(b"mine")
    ran = retrato("generate", "a man", *drawing)
    assert ran.code == 2
    assert "preview.png is there" in ran.err
    assert (start / "out" / "preview.png").read_bytes() == b"mine"
    for field in ("Variation seed strength: 0.2", "Hires upscale: 1.5", "Tiling: True"):
        assert field in image["infotext"]


@pytest.mark.parametrize(("kept", "said"), [(0, "no picture was done yet"), (3, "3 of 4 pictures are in")])
def test_interrupted_drawing_says_how_many_there_are_of_all(
    retrato: Run, start: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, kept: int, said: str
) -> None:
    save, saved = GeneratedImage.save, []

    def saving(image: GeneratedImage, folder: Path) -> Path:
        if len(saved) == kept:
            raise KeyboardInterrupt
        saved.append(save(image, folder))
        return saved[-1]

    monkeypatch.setattr(GeneratedImage, "save", saving)
    drawing = ("--steps", 1, "--matrix", "prompt", "--model", tiny_folder, "--out", start / "out", "--json")
    ran = retrato("generate", "a man|red|hat", *drawing)
    assert ran.code == 130
    assert f"interrupted: {said}" in ran.json["error"]
    assert (start / "out").exists() == bool(kept)


def test_a_sheet_and_its_cells(retrato: Run, start: Path, tiny_folder: Path) -> None:
    axes = ("--x", "Seed=1-2", "--y", "Sampler=Euler a,LMS")
    drawing = ("--steps", 2, "--model", tiny_folder, "--out", start / "out", "--json")
    ran = retrato("grid", "a man", *axes, *drawing)
    assert ran.code == 0
    assert Path(ran.json["file"]).name == "grid-0000.png"
    assert [cell["values"] for cell in ran.json["cells"]] == [
        {"Seed": seed, "Sampler": sampler} for sampler in ("Euler a", "LMS") for seed in ("1", "2")
    ]
    assert files_below(start / "out") == {Path(ran.json["file"]), *(Path(cell["file"]) for cell in ran.json["cells"])}


def test_a_matrix_on_one_sheet(retrato: Run, start: Path, tiny_folder: Path) -> None:
    drawing = ("--steps", 2, "--seed", 3, "--sampler", "Euler", "--model", tiny_folder, "--json", "--out")
    ran = retrato("grid", "a man|red|hat", "--matrix", "prompt", *drawing, start / "sheet")
    assert ran.code == 0
    places = [{"with": red, "and with": hat} for hat in ("nothing", "hat") for red in ("nothing", "red")]
    assert [cell["values"] for cell in ran.json["cells"]] == places
    singly = retrato("generate", "a man|red|hat", "--matrix", "prompt", *drawing, start / "out")
    for cell, image in zip(ran.json["cells"], singly.json["images"], strict=True):
        assert Path(cell["file"]).read_bytes() == Path(image["file"]).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--init-image", "nowhere.png"), "nowhere.png cannot be read"),
        (("--init-image", "text.png"), "text.png"),
        (("--mask", "mask.png"), "no picture to repaint"),
        (("--init-image", "start.png", "--mask", "narrow.png"), "the mask is 32x64"),
        (("--init-image", "start.png", "--mask", "black.png"), "nothing to repaint"),
        (("--init-image", "start.png", "--hires"), "--hires and --init-image were given together"),
        (("--denoise", "nan"), "--denoise is nan"),
        (("--denoise", "2"), "--denoise is 2"),
        (("--size", "60x64"), "--size is '60x64': width is 60"),
        (("--size", "999999x64"), "width is 999999"),
        (("--steps", "100000"), "steps is 100000"),
        (("--cfg", "nan"), "--cfg is nan"),
        (("--restore-faces",), "pip install gfpgan"),
        (("--sampler", "DPM++ SDE", "--eta", "0.5"), "takes none"),
        (("--hires", "--hires-upscaler", "ESRGAN_4x"), "needs weights"),
        (("--seed-resize-from", "big"), "--seed-resize-from is 'big': write width"),
        (("--hires", "--hires-resize", "60X60"), "second pass is 60"),
        (("--hires-resize", "60x60"), "--hires-resize is '60x60', but there is no second pass"),
        (("--hires-scale", "1.5"), "--hires-scale does nothing without --hires: add that, or leave --hires-scale out"),
        (("--mask-blur", "8"), "--mask-blur does nothing without --mask"),
        (("--denoise", "0.5"), "--denoise does nothing without --init-image or --hires"),
        (("--format", "jpeg"), "error: Invalid value for '--format': 'jpeg' is not one of 'png', 'jpg', 'webp'"),
        (("--hires", "--hires-sampler", "Eul"), "did you mean Euler"),
        (("--sampler", "DPM++ 2N Karras"), "DPM++ 2M"),
        (("--schedule", "Karas"), "did you mean Karras"),
        (("--hypernetwork", "ana"), "no hypernetwork 'ana'"),
        (("--style", "Oil"), "no style called 'Oil'"),
        (("--negative", "(a:1000)"), "a word weighs 1000"),
        (("--negative", "__colour__"), "no word list colour.txt"),
        (("--init-image", "/dev/zero"), "/dev/zero is no regular file"),
        (("--init-image", "pipe.png"), "pipe.png is no regular file"),
        (("--init-image", "."), "cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence(
    retrato: Run,
    home: Path,
    start: Path,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(start)
    ran = retrato("generate", "a man", "--model", tiny_folder, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err.splitlines()[-1]
    assert files_below(home) == set()
    assert not (home / "outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--x", "Sead=1"), "such as Seed"),
        (("--x", "Seed=1-2", "--count", 2), "--count is 2, and a sheet has one picture for each of its cells"),
        (("--x", "Seed=1-2", "--hires-steps", 2), "--hires-steps does nothing without --hires"),
        (("--x", "Sampler=Euler,Eular"), "did you mean Euler"),
        (("--x", "Seed=1-30", "--y", "Steps=1-30"), "900 pictures"),
        ((), "--x"),
        (("--matrix", "prompt"), "no part to leave out"),
        (("--matrix", "prompt", "--y", "Seed=1"), "leave out --x and --y"),
    ],
)
def test_a_wrong_axis_is_one_sentence(
    retrato: Run, home: Path, tiny_folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    ran = retrato("grid", "a man", "--model", tiny_folder, *arguments)
    assert ran.code == 2
    assert says in ran.err.splitlines()[-1]
    assert files_below(home) == set()
