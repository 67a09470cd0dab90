import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrato.cli import app
from retrato.embeddings import Embedding, read_embedding, write_embedding

Run = Callable[..., Any]
HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL", "pydantic")


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()


def size_of(picture: str) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stdout.split("\n")[-2].split())


def test_importing_retrato_and_help_load_nothing_heavy() -> None:
    assert loaded_by("import retrato; retrato.RetratoError") == set()
    assert loaded_by("from retrato.cli import main; main(['--help'])") == set()


def test_importing_retrato_switches_the_network_off_unless_told_otherwise() -> None:
    script = "import os; os.environ['HF_HUB_OFFLINE'] = '0'; os.environ.pop('DO_NOT_TRACK', None); import retrato;"
    script += "print(os.environ['HF_HUB_OFFLINE'], os.environ['DO_NOT_TRACK'])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "1"]


def test_help_lists_every_command_and_each_has_its_own(retrato: Run) -> None:
    from retrato.cli.app import COMMANDS

    overview = retrato("--help")
    assert overview.code == 0
    for entry in COMMANDS:
        assert entry.name.split()[0] in overview.out
        own = retrato(*entry.name.split(), "--help")
        assert own.code == 0
        assert "--json" in own.out
    assert retrato().out == overview.out


def test_options_of_train_are_the_settings(retrato: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = retrato("train", "--help").out
    assert "--init " in shown
    assert "--vectors " in shown
    assert "vectors learned for the name (1 to 75)" in shown
    assert "[name] stands for the person" in shown
    assert "[default: 3]" in shown


def test_version(retrato: Run) -> None:
    import retrato as package

    assert retrato("--version").out == f"retrato {package.__version__}\n"


def test_train_then_generate_then_look(train: Run, retrato: Run, home: Path, tiny_folder: Path, tmp_path: Path) -> None:
    trained = train()
    assert trained.code == 0
    said = trained.json
    assert (said["name"], said["vectors"], said["dim"], said["steps_run"]) == ("ana-t1", 3, 32, 4)
    assert said["file"] == str(home / "embeddings" / "ana-t1.safetensors")
    assert read_embedding(said["file"]).name == "ana-t1"
    assert said["candidates"]
    assert Path(said["candidates"][0]["file"]).is_relative_to(said["run_folder"])
    assert Path(said["run_folder"]).parent.parent == home / "textual_inversion"
    assert Path(said["report"]).is_file()
    assert "learning from 5 photos, 1 held out" in trained.err
    assert "Loaded a total of 0 textual inversion embeddings.\n" in trained.err
    assert f'draw with: retrato generate "a portrait of ana-t1" --model {tiny_folder}' in trained.err

    write_embedding(
        Embedding("other", (read_embedding(said["file"]).vectors[0][:, :8],)), home / "embeddings/other.pt", "a1111-pt"
    )
    drawing = ("--steps", 2, "--count", 2, "--seed", 5, "--size", "64x72", "--model", tiny_folder, "--out", tmp_path)
    drawn = retrato("generate", "a photo of ana-t1", *drawing, "--json")
    assert drawn.code == 0
    assert [each["seed"] for each in drawn.json["images"]] == [5, 6]
    assert "Loaded a total of 1 textual inversion embeddings. Embeddings: ana-t1\n" in drawn.err
    assert "Skipped: other.pt holds vectors of 8, this model takes 32" in drawn.err
    picture = drawn.json["images"][0]["file"]
    assert Path(picture).parent == tmp_path
    assert size_of(picture) == (64, 72)

    info = retrato("info", picture, "--json").json
    assert info["infotext"] == drawn.json["images"][0]["infotext"]
    assert info["parameters"]["Prompt"] == "a photo of ana-t1"
    assert info["parameters"]["Seed"] == "5"

    shown = retrato("embeddings", "show", "ana-t1", "--model", tiny_folder, "--json").json
    assert len(shown["nearest_words"][0]) == 3
    assert {"text", "cosine"} == set(shown["nearest_words"][0][0][0])
    assert (shown["name"], shown["vectors"], shown["dim"], shown["format"]) == ("ana-t1", 3, 32, "safetensors")
    assert shown["base_model"] == tiny_folder.name
    assert len(shown["norms"]) == 3
    assert isinstance(shown["step"], int)


def test_pictures_go_to_the_days_folder_and_paths_to_stdout(retrato: Run, home: Path, tiny_folder: Path) -> None:
    drawn = retrato("generate", "a [man | cat]", "--steps", 1, "--size", "64x64", "--model", tiny_folder)
    assert drawn.code == 0
    (line,) = drawn.out.splitlines()
    assert Path(line).is_file()
    assert Path(line).parent.parent == home / "outputs"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--steps", "0"), "steps is 0"),
        (("--size", "64"), "size is '64'"),
        (("--size", "64x64", "--width", "64"), "--size was given together"),
        (("--sampler", "Eular a"), "did you mean Euler a"),
        (("--steps", "many"), "Invalid value for '--steps'"),
        (("--guidance", "3"), "No such option"),
        (("--model", "nowhere"), "nowhere is not on this machine"),
        (("--device", "abacus"), "device is 'abacus'"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    retrato: Run, home: Path, tiny_folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    ran = retrato("generate", "a man", "--model", tiny_folder, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert says in ran.err.splitlines()[-1]
    assert files_below(home) == set()


def test_errors_are_json_too_where_json_was_asked_for(retrato: Run) -> None:
    ran = retrato("generate", "a man", "--model", "nowhere", "--json")
    assert ran.code == 2
    assert ran.json["exit_code"] == 2
    assert "nowhere" in ran.json["error"]


def test_a_folder_for_pictures_that_is_a_file_is_refused_before_drawing(
    retrato: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    ran = retrato("generate", "a man", "--model", tiny_folder, "--out", tmp_path / "taken")
    assert ran.code == 2
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_unexpected_is_one_line_with_a_way_to_the_traceback(
    retrato: Run, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    import retrato.cli.photos as commands

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(commands, "checking", broken)
    ran = retrato("check", photos, "--size", 64)
    assert ran.code == 1
    assert ran.err == "error: unexpected ZeroDivisionError: by zero; run with RETRATO_DEBUG=1 for the traceback\n"
    monkeypatch.setenv("RETRATO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        retrato("check", photos, "--size", 64)


# What cannot be trained on: (how the folder or the options are spoilt, what the sentence says).


def no_folder(photos: Path) -> None:
    shutil.rmtree(photos)


def empty_folder(photos: Path) -> None:
    for path in photos.iterdir():
        path.unlink()


def no_pictures(photos: Path) -> None:
    for path in photos.iterdir():
        path.rename(path.with_suffix(".txt"))


def fake_pictures(photos: Path) -> None:
    for path in photos.iterdir():
        path.write_text("not a picture")


def two_photos(photos: Path) -> None:
    for path in sorted(photos.iterdir())[2:]:
        path.unlink()


def same_photo(photos: Path) -> None:
    first, *others = sorted(photos.iterdir())
    for path in others:
        shutil.copy(first, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_folder, "there is no folder"),
        (empty_folder, "holds no photos"),
        (no_pictures, "holds no photos"),
        (fake_pictures, "no usable photo"),
        (two_photos, "two usable photos"),
        (same_photo, "same picture"),
    ],
)
def test_photos_nobody_can_be_learned_from(
    train: Run, photos: Path, home: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(photos)
    ran = train()
    assert ran.code == 2
    assert says in ran.json["error"]
    assert ran.err.splitlines()[-1] == f"error: {ran.json['error']}"
    assert files_below(home) == set()


@pytest.mark.parametrize(
    ("name", "says"),
    [("portrait", "ordinary word"), ("../ana", "cannot be a name"), ("a/b", "cannot be a name"), ("CON", "device")],
)
def test_names_that_will_not_do(train: Run, home: Path, tmp_path: Path, name: str, says: str) -> None:
    before = files_below(tmp_path)
    ran = train(name=name)
    assert ran.code == 2
    assert says in ran.json["error"]
    assert files_below(tmp_path) == before


def test_a_taken_name_is_refused_before_the_work_and_replaced_on_request(train: Run, home: Path) -> None:
    assert train().code == 0
    before = files_below(home)
    ran = train(name="Ana-t1")
    assert ran.code == 2
    assert "is taken by" in ran.json["error"]
    assert files_below(home) == before
    again = train("--overwrite", "--seed", "3")
    assert again.code == 0
    assert again.json["run_folder"].endswith("ana-t1-2")
    assert read_embedding(again.json["file"]).metadata["seed"] == "3"


def test_a_truncated_photo_is_named_and_the_others_are_used(train: Run, photos: Path) -> None:
    broken = photos / "03.png"
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:6000])
    ran = train()
    assert ran.code == 0
    assert [Path(each["file"]).name for each in ran.json["refused"]] == ["03.png"]
    assert "left out: 03.png" in ran.err
    assert "learning from 4 photos, 1 held out" in ran.err


def test_a_run_goes_only_where_nothing_else_is(train: Run, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".diary.tmp1").write_text("mine")
    ran = train("--out", out)
    assert ran.code == 2
    assert "is not empty" in ran.json["error"]
    assert files_below(out) == {".diary.tmp1"}
    beneath = train("--out", out / ".diary.tmp1" / "run")
    assert beneath.code == 2
    assert "is no folder to write to" in beneath.json["error"]
    assert train("--out", tmp_path / "new").json["run_folder"] == str(tmp_path / "new")
    assert "to go on with" in train("--out", tmp_path / "new", name="ben-t1").json["error"]


def test_there_must_be_a_run_to_resume(train: Run, home: Path, tmp_path: Path) -> None:
    for options in (("--resume",), ("--resume", "--out", tmp_path)):
        ran = train(*options)
        assert ran.code == 2
        assert "resumed" in ran.json["error"]
    assert files_below(home) == set()


def test_terminated_training_saves_says_where_and_resumes(train: Run, home: Path) -> None:
    """SIGTERM does what Ctrl-C does."""

    def terminate() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            logs = list(home.rglob("textual_inversion_loss.csv"))
            if logs and logs[0].read_text().count("\n") >= 4:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=terminate)
    killer.start()
    ran = train("--steps", "1000000", "--recipe", "a1111")
    killer.join()
    assert ran.code == 130
    assert ran.err.count("interrupted at step") == 1
    assert "Traceback" not in ran.err
    (saved,) = home.rglob("embeddings/ana-t1-*.safetensors")
    assert str(saved) in ran.json["error"]
    step = read_embedding(saved).step
    assert step is not None
    assert step >= 3
    assert not (home / "embeddings").exists()

    resumed = train("--steps", step + 2, "--recipe", "a1111", "--resume")
    assert resumed.code == 0
    assert resumed.json["steps_run"] == step + 2
    assert (home / "embeddings" / "ana-t1.safetensors").is_file()


def test_check_reports_on_the_set(retrato: Run, photos: Path) -> None:
    (photos / "99.jpg").write_text("no")
    ran = retrato("check", photos, "--size", 64, "--json")
    assert ran.code == 0
    assert [Path(each["file"]).name for each in ran.json["photos"]][-1] == "99.jpg"
    assert ran.json["photos"][-1]["verdict"] == "refused"
    assert ran.json["photos"][-1]["problems"]
    assert ran.json["verdict"] in ("good", "doubtful", "refused")
    assert ran.json["advice"]
    assert "99.jpg" in retrato("check", photos, "--size", 64).out


def test_check_measures_at_the_models_size(retrato: Run, photos: Path, tiny_folder: Path) -> None:
    ran = retrato("check", photos, "--model", tiny_folder, "--json")
    assert not any("less than the" in problem for each in ran.json["photos"] for problem in each["problems"])


def test_prepare_writes_copies_and_names_what_it_refused(retrato: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "99.jpg").write_text("no")
    ran = retrato(
        "prepare", photos, tmp_path / "out", "--size", 64, "--crop", "focal", "--caption", "filename", "--json"
    )
    assert ran.code == 0
    assert len(ran.json["images"]) == 6
    assert set(ran.json["images"][0]) >= {"file", "source", "caption", "box"}
    assert [Path(each["file"]).name for each in ran.json["refused"]] == ["99.jpg"]
    assert size_of(ran.json["images"][0]["file"]) == (64, 64)


def test_check_writes_a_contact_sheet(retrato: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "<b>.png").write_text("no")
    for name in ("sheet.png", "sheet.html"):
        assert retrato("check", photos, "--size", 64, "--no-faces", "--sheet", tmp_path / name).code == 0
    assert size_of(str(tmp_path / "sheet.png"))[0] > 500
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/jpeg") == 6
    assert "<b>" not in page
    assert "exists" in retrato("check", photos, "--sheet", tmp_path / "sheet.png", "--json").json["error"]
    assert "name a .png or a .html" in retrato("check", photos, "--sheet", tmp_path / "a.pdf", "--json").json["error"]


def test_prepare_goes_on_where_it_was(retrato: Run, photos: Path, tmp_path: Path) -> None:
    preparing = ("prepare", photos, tmp_path / "out", "--size", 64, "--processes", 1)
    assert retrato(*preparing).code == 0
    shutil.copy(photos / "00.png", photos / "zz.png")
    ran = retrato(*preparing, "--json")
    assert [each["is_new"] for each in ran.json["images"]] == [False] * 6 + [True]
    assert "6 pictures were there from before, 1 are new" in ran.err


def test_prepare_fails_where_no_photo_could_be_used(retrato: Run, photos: Path, tmp_path: Path) -> None:
    fake_pictures(photos)
    ran = retrato("prepare", photos, tmp_path / "out", "--json")
    assert ran.code == 2
    assert "none of the 6 photos" in ran.json["error"]
    assert not (tmp_path / "out").exists()


def test_captions_need_a_captioner_only_where_there_are_no_words(retrato: Run, photos: Path, tiny_folder: Path) -> None:
    ran = retrato("caption", photos, "--model", tiny_folder, "--json")
    assert ran.code == 2
    assert "has no captioner" in ran.json["error"]
    for path in list(photos.glob("*.png")):
        path.with_suffix(".txt").write_text(f"a man, {path.stem}")
    said = retrato("caption", photos, "--model", tiny_folder, "--json").json["captions"]
    assert said[0] == {"file": str(photos / "00.png"), "caption": "a man, 00", "source": "file"}
    (photos / "00.png").rename(photos / "0\n0.png")
    (photos / "00.txt").rename(photos / "0\n0.txt")
    assert "0\\n0.png: a man, 00" in retrato("caption", photos, "--model", tiny_folder).out


def test_the_library_from_outside(train: Run, retrato: Run, home: Path, tmp_path: Path, tiny_folder: Path) -> None:
    train()
    (home / "embeddings" / "broken.pt").write_bytes(b"PK")
    listed = retrato("embeddings", "list", "--json")
    assert [each["name"] for each in listed.json["embeddings"]] == ["ana-t1"]
    assert Path(listed.json["skipped"][0]["file"]).name == "broken.pt"
    assert "Loaded a total of 1 textual inversion embeddings. Embeddings: ana-t1" in listed.err

    converted = retrato("embeddings", "convert", "ana-t1", tmp_path / "ben.pt", "--json")
    assert converted.json["format"] == "a1111-pt"
    assert retrato("embeddings", "show", tmp_path / "ben.pt", "--json").json["format"] == "a1111-pt"
    assert retrato("embeddings", "convert", "ana-t1", tmp_path / "ben.pt").code == 2
    assert retrato("embeddings", "convert", "ana-t1", tmp_path / "ben.doc").code == 2
    Image.new("RGB", (300, 300), "red").save(tmp_path / "face.png")
    card = retrato(
        "embeddings", "convert", tmp_path / "ben.pt", tmp_path / "ben.png", "--picture", tmp_path / "face.png", "--json"
    )
    assert retrato("embeddings", "show", card.json["file"], "--json").json["format"] == "png"

    mixing = ("embeddings", "blend", "ana-t1", tmp_path / "ben.pt", "--name", "mixed")
    mixed = retrato(*mixing, "--weights", "0.5,0.5", "--json").json
    assert read_embedding(mixed["file"]).vectors[0].tolist() == pytest.approx(
        read_embedding(tmp_path / "ben.pt").vectors[0].numpy(), abs=1e-6
    )
    assert "weights are" in retrato(*mixing, "--weights", "half", "--json").json["error"]
    assert "is taken" in retrato(*mixing, "--json").json["error"]
    called = retrato(*mixing[:-1], "portrait", "--model", tiny_folder, "--json").json
    assert "'portrait' is an ordinary word of" in called["error"]

    removed = retrato("embeddings", "remove", "mixed", "--json")
    assert removed.json["removed"] == [mixed["file"]]
    assert not Path(mixed["file"]).exists()
    assert retrato("embeddings", "remove", "mixed").code == 2
    assert retrato("embeddings", "show", "mixed").code == 2
    assert retrato("embeddings", "show", tmp_path / "gone.pt").code == 2


def test_models_and_samplers_say_what_there_is(retrato: Run, tiny_folder: Path) -> None:
    shown = retrato("models", "show", tiny_folder, "--json").json
    assert (shown["size"], shown["dims"], shown["scorer"], shown["captioner"]) == (64, [32], False, False)
    names = [each["name"] for each in retrato("samplers", "--json").json["samplers"]]
    assert {"Euler a", "DPM++ 2M", "DDIM"} <= set(names)


def test_info_refuses_what_carries_no_parameters(retrato: Run, photos: Path) -> None:
    ran = retrato("info", photos / "00.png", "--json")
    assert ran.code == 2
    assert "does not say how it was drawn" in ran.json["error"]
    gone = retrato("info", photos / "gone.png")
    assert (gone.code, gone.err) == (
        2,
        f"error: there is no file {photos / 'gone.png'}: look for the picture's right name\n",
    )


def test_a_torchvision_of_another_torch_does_no_harm(tmp_path: Path) -> None:
    """As Colab and RunPod have it, once a newer torch was installed: transformers would end in an error of its own."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    (tmp_path / "torchvision-0.24.0.dist-info").mkdir()
    (tmp_path / "torchvision-0.24.0.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.24.0\n")
    code = "from retrato.model import load_captioner, load_components; load_components(); load_captioner()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_interrupted_while_it_is_imported_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "build_app", interrupted)
    assert app.main(["generate", "x", "--json"]) == 130
    said = capsys.readouterr()
    assert json.loads(said.out) == {"error": "interrupted", "exit_code": 130}
