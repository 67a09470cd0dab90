"""What `retrato hypernetworks`, `retrato score` and `retrato train-many` do on the command line."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import Ran, draw_photo

Retrato = Callable[..., Ran]


def test_a_hypernetwork_is_learned_drawn_with_converted_and_removed(
    retrato: Retrato, tiny_folder: Path, photos: Path, home: Path, tmp_path: Path
) -> None:
    model = ("--model", tiny_folder, "--device", "cpu", "--json")
    settings = ("--layers", "1, 1.5, 1", "--activation", "relu", "--layer-norm", "--dropout", "0, 0.1, 0")
    learned = retrato("hypernetworks", "train", photos, "--name", "ana-h1", "--steps", 2, *settings, *model)
    assert learned.code == 0, learned.err
    file = home / "hypernetworks" / "ana-h1.safetensors"
    assert learned.json["file"] == str(file)
    assert Path(learned.json["report"]).exists()
    assert "a portrait of a person<hypernet:ana-h1:1>" in learned.err
    taken = retrato("hypernetworks", "train", photos, "--name", "ana-h1", *model)
    assert (taken.code, "the name ana-h1 is taken by" in taken.err) == (2, True)

    (listed,) = retrato("hypernetworks", "list", "--json").json["hypernetworks"]
    assert (listed["name"], listed["sizes"], listed["layers"]) == ("ana-h1", [32], [1.0, 1.5, 1.0])
    shown = retrato("hypernetworks", "show", "ana-h1")
    assert "activation: relu" in shown.out
    assert "length of the weights at width 32" in shown.out

    def draw(*arguments: object) -> bytes:
        ran = retrato("generate", *arguments, "--steps", 2, "--seed", 1, "--out", tmp_path / "out", *model)
        assert ran.code == 0, ran.err
        with Image.open(ran.json["images"][0]["file"]) as picture:
            return picture.tobytes()

    tagged = draw("a photo of a man<hypernet:ana-h1:8>")
    assert tagged == draw("a photo of a man", "--hypernetwork", "ana-h1", "--hypernetwork-strength", 8)
    assert tagged != draw("a photo of a man")
    assert draw("a photo of a man<hypernet:ana-h1:0>") == draw("a photo of a man")

    converted = retrato("hypernetworks", "convert", "ana-h1", tmp_path / "ana-h1.pt", "--json")
    assert converted.json["format"] == "a1111-pt"
    assert retrato("hypernetworks", "convert", "ana-h1", tmp_path / "ana-h1.pt").code == 2
    assert retrato("hypernetworks", "convert", "ana-h1", tmp_path / "ana-h1.bin").code == 2
    assert retrato("hypernetworks", "remove", "ana-h1", "--json").json["removed"] == [str(file)]
    missing = retrato("generate", "a photo", "--hypernetwork", "ana-h1", *model)
    assert (missing.code, "no hypernetwork 'ana-h1', there are none yet" in missing.err) == (2, True)
    wrong = retrato("hypernetworks", "train", photos, "--name", "ana-h2", "--layers", "1, 2", *model)
    assert (wrong.code, "starts and ends with 1" in wrong.err) == (2, True)
    assert not (home / "textual_inversion").joinpath("ana-h2").exists()


class ColourScorer:
    """Scores by mean colour. Stands in for a scorer, which the tiny model does not bring."""

    hash = "colour"

    def embed_identity(self, images: Sequence[Image.Image]) -> torch.Tensor:
        means = torch.stack([torch.tensor(np.asarray(image, dtype=np.float32)).mean(dim=(0, 1)) for image in images])
        return torch.nn.functional.normalize(means - 127.5, dim=1)

    embed_images = embed_identity

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.tensor([[float(len(text)), 9.0, -20.0] for text in texts]), dim=1)


@pytest.mark.slow
def test_a_score_says_what_taints_it(
    retrato: Retrato,
    train: Callable[..., Ran],
    tiny_folder: Path,
    photos: Path,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert train().code == 0
    others = tmp_path / "others"
    others.mkdir()
    for number in range(20, 23):
        draw_photo(number).save(others / f"{number}.png")
    options = ("--model", tiny_folder, "--device", "cpu", "--out", tmp_path / "out", "--json")
    unscored = retrato("score", "ana-t1", "--photos", others, *options)
    assert (unscored.code, "brings no scorer" in unscored.err) == (2, True)
    monkeypatch.setattr("retrato.studio.Studio.scorer", ColourScorer())
    good = retrato("score", "ana-t1", "--photos", others, *options)
    assert good.code == 0, good.err
    assert {"identity", "prompt_fidelity", "harmonic"} < good.json.keys()
    assert (good.json["tainted"], good.json["taints"]) == (False, [])
    assert len(good.json["images"]) == 12
    assert good.json["faces"] is None
    assert good.json["no_faces"]  # coloured patches have none, and without the extra nobody looks
    assert all(Path(each["file"]).exists() for each in good.json["images"])
    seen = retrato("score", "ana-t1", "--photos", photos, *options)
    assert seen.json["tainted"] is True
    assert "6 of 6 photos were used in its training" in seen.json["taints"][0]
    # Whatever size they were trained at: read smaller or larger, their pixels would be those of other photos.
    large = tmp_path / "large"
    large.mkdir()
    for number in range(6):
        draw_photo(number).rotate(10).resize((128, 128)).save(large / f"{number}.png")
    assert train("--width", "80", "--height", "80", name="ana-t2", folder=large).code == 0
    seen = retrato("score", "ana-t2", "--photos", large, *options)
    assert "6 of 6 photos were used in its training" in seen.json["taints"][-1]
    # Whatever became of the file: the library's, copied and called as a browser calls the second of a name.
    copy = Path(shutil.copy(home / "embeddings" / "ana-t1.safetensors", tmp_path / "bob (1).safetensors"))
    seen = retrato("score", copy, "--photos", photos, *options)
    assert "6 of 6 photos were used in its training" in seen.json["taints"][-1]
    assert seen.json["images"][0]["prompt"] == r"a photo of bob \(1\)"
    unknown = retrato("score", "nobody-1", "--photos", others, *options)
    assert (unknown.code, "no embedding called 'nobody-1'" in unknown.err) == (2, True)


def test_many_people_are_learned_together_and_one_failure_is_said(
    retrato: Retrato, tiny_folder: Path, home: Path, tmp_path: Path
) -> None:
    for person, name in enumerate(("ana", "bob", "eve")):
        (tmp_path / "people" / name).mkdir(parents=True)
        for number in range(1 if name == "eve" else 4):
            draw_photo(10 * person + number).save(tmp_path / "people" / name / f"{number}.png")
    options = ("--name", "*-t1", "--steps", 2, "--batch-size", 2, "--model", tiny_folder, "--device", "cpu", "--json")
    for wrong in (("--learning-rate", "abc"), ("--width", 65), ("--engine", "ray", "--gradient-clip", "x")):
        ran = retrato("train-many", tmp_path / "people", *options, *wrong)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    ran = retrato("train-many", tmp_path / "people", *options)
    assert ran.code == 0, ran.err
    assert [each["name"] for each in ran.json["people"]] == ["ana-t1", "bob-t1"]
    assert [each["file"] for each in ran.json["people"]] == [
        str(home / "embeddings" / f"{name}-t1.safetensors") for name in ("ana", "bob")
    ]
    assert [each["name"] for each in ran.json["failed"]] == ["eve-t1"]
    assert ran.json["samples"] == 8
    assert all(Path(each["report"]).exists() for each in ran.json["people"])
    again = retrato("train-many", tmp_path / "people", *options, "--resume")
    assert (again.code, "none of 1 people could be learned; eve-t1:" in again.err) == (1, True)
    assert retrato("train-many", tmp_path / "nowhere", *options).code == 2


@pytest.mark.slow
def test_a_scorer_of_the_home_folder_picks_for_a_model_that_brings_none(
    retrato: Retrato, train: Callable[..., Ran], clip_folder: Path, tiny_folder: Path, home: Path
) -> None:
    """As with Stable Diffusion, after `retrato models fetch` of a CLIP model."""
    missing = train("--scorer", "owner/clip")
    assert (missing.code, "`retrato models fetch owner/clip` downloads it" in missing.err) == (2, True)
    by_loss = train("--save-every", 2, name="ana-l1")
    assert by_loss.json["scores"] == {}
    assert "there was no scorer for pictures" in by_loss.json["pick_reason"]
    assert "`retrato models fetch openai/clip-vit-large-patch14` gets one" in by_loss.err
    more = train("--save-every", 2, "--resume", "--steps", 6, name="ana-l1")
    assert (more.code, more.json["steps_run"]) == (0, 6), (
        "what this very run put into the library is its own to replace"
    )
    shutil.copytree(clip_folder, home / "scorers" / "owner--clip")
    for name, options in (("ana-c1", ()), ("ana-c2", ("--scorer", "owner/clip"))):
        found = train("--save-every", 2, *options, name=name)
        assert found.code == 0, found.err
        assert {"identity", "prompt_fidelity", "harmonic"} <= found.json["scores"].keys()
        assert any(each["scores"] for each in found.json["candidates"])
    doctor = retrato("doctor", "--model", tiny_folder, "--device", "cpu")
    assert ", with scorer" in doctor.out
