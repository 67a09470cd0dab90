import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from benchmarks.ldm_file import ldm_tensors
from retrato.cli import main
from retrato.errors import ModelError
from retrato.model.catalogue import describe_model, find_model, find_vae, list_models, list_vaes
from retrato.model.families.configs import VAE
from retrato.model.load import EMBEDDED, load_components


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path, family_folder: Callable[[str], Path]) -> Path:
    """The home folder's `models` with one of each kind, and what must not be in the way."""
    models = tmp_path / "models"
    shutil.copytree(tiny_folder, models / "tiny")
    shutil.copytree(tiny_folder, models / "somebody--painting")
    save_file(ldm_tensors(family_folder("sd1")), models / "people.v2.safetensors")
    (models / "people.v2.vae.pt").write_bytes(b"x")
    (models / "page.ckpt").write_text("<html>")
    (models / ".hidden.partial").mkdir()
    (models / "notes.txt").write_text("x")
    return models


def test_lists_what_there_is_and_what_is_wrong(folder: Path) -> None:
    found = {each.name: each for each in list_models(folder)}
    assert list(found) == ["mini", "page", "people.v2", "somebody--painting", "tiny"]
    assert "web page" in (found["page"].problem or "")
    people = found["people.v2"]
    assert (people.layout, people.family, people.prediction_type) == ("safetensors", "Stable Diffusion 1", "epsilon")
    assert (people.dims, people.vae) == ((64,), folder / "people.v2.vae.pt")
    assert people.bytes == (folder / "people.v2.safetensors").stat().st_size
    assert found["tiny"].dims == (32,)
    assert list_models(folder / "absent").__next__().name == "mini"


def test_what_only_loading_can_tell_stays_open(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    save_file(ldm_tensors(family_folder("sd2-v")), path)
    assert describe_model(path).prediction_type is None
    assert describe_model(family_folder("sd2-v")).prediction_type == "v_prediction"
    path.with_suffix(".yaml").write_text("parameterization: v\n")
    assert describe_model(path).prediction_type == "v_prediction"
    assert describe_model(family_folder("sd1/inpainting")).is_for_inpainting


def test_names_are_looked_up_in_the_folder(folder: Path) -> None:
    assert find_model("mini", folder) == "mini"
    assert find_model("people.v2", folder) == folder / "people.v2.safetensors"
    assert find_model("people.v2.safetensors", folder) == folder / "people.v2.safetensors"
    assert find_model("somebody/painting", folder) == folder / "somebody--painting"
    assert find_model(str(EMBEDDED), folder) == str(EMBEDDED)
    for name, sentence in (
        ("someone/else", "`retrato models fetch someone/else`"),
        ("peeple.v2", r"did you mean people\.v2\?"),
        ("zzz", "`retrato models list`"),
        ("../models/tiny", "folder in diffusers layout"),
        ("/nowhere/x.ckpt", "folder in diffusers layout"),
        ("x" * 300, "not on this machine"),
        ("~nobody-at-all/x", "not on this machine"),
        ("", "the model has no name"),
        ("zero\0byte", "not on this machine"),
    ):
        with pytest.raises(ModelError, match=sentence):
            find_model(name, folder)


def test_a_link_is_a_model_under_its_own_name(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(folder / "tiny", elsewhere / "v7")
    shutil.copy(folder / "people.v2.safetensors", elsewhere / "big.safetensors")
    (folder / "linked").symlink_to(elsewhere / "v7", target_is_directory=True)
    (folder / "large.safetensors").symlink_to(elsewhere / "big.safetensors")
    names = [each.name for each in list_models(folder)]
    assert {"linked", "large"} <= set(names)
    for name in ("linked", "large"):
        found = find_model(name, folder)
        assert describe_model(found).name == name
    with pytest.raises(ModelError):
        find_model("../elsewhere/big", folder)
    with pytest.raises(ModelError):
        find_model(str(elsewhere / "big"), folder)


@pytest.mark.parametrize(
    ("file", "said", "sentence"),
    [
        ("unet/config.json", {"sample_size": "large"}, "where a number is wanted"),
        ("text_encoder/config.json", {"hidden_size": None}, "where a number is wanted"),
        ("vae/config.json", {"block_out_channels": 4}, "where a number is wanted"),
        ("retrato.json", {"defaults": {"size": "large"}}, "'large' as size: write a number"),
        ("retrato.json", {"defaults": ["size"]}, "no object"),
        ("unet/config.json", {"in_channels": 5}, "takes 5 channels, not 4"),
        ("unet/config.json", {"num_class_embeds": 1000}, "wants more than a text"),
        ("unet/config.json", {"class_embed_type": "projection"}, "wants more than a text"),
        ("unet/config.json", {"addition_embed_type": "image"}, "wants more than a text"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": 3, "prediction_type": ["v"]},
            "its U-Net predicts \"['v']\"",
        ),
        ("unet/config.json", None, "is not JSON"),
    ],
)
def test_one_broken_folder_does_not_hide_the_others(
    folder: Path, file: str, said: dict[str, object] | None, sentence: str
) -> None:
    path = folder / "somebody--painting" / file
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text("[" * 100_000 if said is None else json.dumps({**before, **said}))
    found = {each.name: each for each in list_models(folder)}
    assert sentence in (found["somebody--painting"].problem or "")
    assert found["tiny"].problem is None


@pytest.mark.parametrize(("sample_size", "side"), [([16, 8], 128), (None, 512), (8, 64)])
def test_the_pictures_size_as_diffusers_may_say_it(
    tiny_folder: Path, tmp_path: Path, sample_size: object, side: int
) -> None:
    model = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((model / "unet" / "config.json").read_text())
    (model / "unet" / "config.json").write_text(json.dumps({**config, "sample_size": sample_size}))
    assert describe_model(model).size == load_components(model).defaults.size == side


def test_a_folder_without_safetensors_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_folder, tmp_path / "model")
    for path in list(model.rglob("*.safetensors")):
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        describe_model(model)


def test_the_commands(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(folder.parent))
    assert main(["models", "list", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in said["models"]] == ["mini", "people.v2", "somebody--painting", "tiny"]
    assert said["skipped"][0]["file"].endswith("page.ckpt")
    assert not any(each["lacks_vae"] for each in said["models"])
    (folder / "people.v2.vae.pt").unlink()
    assert main(["models", "check", "people.v2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], len(said["hash"]), len(said["old_hash"])) == (True, 10, 8)
    assert [part["name"] for part in said["parts"]] == ["text_encoder", "unet", "vae"]
    assert main(["models", "show", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dims"] == [32]
    assert main(["models", "check", "page"]) == 2
    assert "web page" in capsys.readouterr().err


def test_a_checkpoint_without_a_vae_is_listed_as_such(
    folder: Path,
    family_folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tensors = ldm_tensors(family_folder("sd1"))
    save_file({key: each for key, each in tensors.items() if not key.startswith(VAE)}, folder / "bare.safetensors")
    (folder / "people.v2.vae.pt").rename(folder / "bare.vae.pt")
    assert not any(describe_model(folder / f"{name}.safetensors").lacks_vae for name in ("bare", "people.v2"))
    (folder / "bare.vae.pt").unlink()
    assert describe_model(folder / "bare.safetensors").lacks_vae
    monkeypatch.setenv("RETRATO_HOME", str(folder.parent))
    assert main(["models", "list"]) == 0
    said = capsys.readouterr()
    assert "bare holds no VAE: it needs --vae" in said.out + said.err


def test_a_vae_is_found_by_its_name_or_path(tmp_path: Path) -> None:
    for name in ("sharp.vae.safetensors", "v1.5.vae.pt", "model.safetensors"):
        (tmp_path / name).write_bytes(b"")
    sharp, other = list_vaes(tmp_path)
    assert (sharp.name, other.name) == ("sharp.vae.safetensors", "v1.5.vae.pt")
    for name in ("sharp", "Sharp.vae", "sharp.vae.safetensors", str(sharp)):
        assert find_vae(name, tmp_path) == sharp
    assert find_vae("v1.5", tmp_path) == other
    assert find_vae("None", tmp_path) is find_vae("automatic", tmp_path) is None
    for name in ("shrap", "model", "\0", "x" * 5000, "~nobody/x"):
        with pytest.raises(ModelError, match=r"there is no VAE .* \(sharp.vae.safetensors, v1.5.vae.pt\)"):
            find_vae(name, tmp_path)
