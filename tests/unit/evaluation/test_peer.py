import json
from pathlib import Path

import pytest

from retrato.errors import ModelError, SettingsError, TrainingError
from retrato.evaluation import Compared, Measured, evaluate
from retrato.settings import EvaluateSettings
from retrato.studio import Studio

# Says what it was asked for and writes what diffusers' script would write.
SCRIPT = """
import argparse, json, pathlib, torch
from safetensors.torch import save_file
from torchvision import transforms
parser = argparse.ArgumentParser()
for name in ("pretrained_model_name_or_path", "train_data_dir", "placeholder_token", "num_vectors", "max_train_steps",
             "output_dir", "initializer_token", "save_steps"):
    parser.add_argument("--" + name)
asked, _ = parser.parse_known_args()
out = pathlib.Path(asked.output_dir)
out.mkdir()
photos = sorted(path.name for path in pathlib.Path(asked.train_data_dir).iterdir())
flips = transforms.RandomHorizontalFlip().p
(out / "asked.json").write_text(json.dumps(vars(asked) | {"photos": photos, "flips": flips}))
width = json.loads((pathlib.Path(asked.pretrained_model_name_or_path) / "text_encoder/config.json").read_text())
vectors = torch.zeros(int(asked.num_vectors), width["hidden_size"])
for step in range(1, int(asked.max_train_steps) + 1):
    if step % int(asked.save_steps) == 0:
        save_file({asked.placeholder_token: vectors + step}, out / f"learned_embeds-steps-{step}.safetensors")
save_file({asked.placeholder_token: vectors}, out / "learned_embeds.safetensors")
"""


@pytest.fixture
def settings(prompt_file: Path, tmp_path: Path) -> EvaluateSettings:
    script = tmp_path / "textual_inversion.py"
    script.write_text(SCRIPT)
    return EvaluateSettings(prompts=str(prompt_file), samples=8, quick=True, script=str(script))


@pytest.mark.slow
def test_the_script_learns_from_the_photos_that_training_may_see(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    events = list(evaluate(studio, people / "ana", settings, out=tmp_path / "out"))
    own, peer = (event for event in events if isinstance(event, Measured))
    assert (own.recipe, peer.recipe) == ("retrato", "diffusers")
    assert peer.samples == own.samples == 8
    assert peer.steps == 2, "four photos make one of its steps"
    asked = json.loads((tmp_path / "out/ana/diffusers-0/run/out/asked.json").read_text())
    assert len(asked["photos"]) == 6, "the two that judge are not shown to it"
    assert (asked["max_train_steps"], asked["num_vectors"], asked["initializer_token"]) == ("2", "3", "person")
    assert asked["flips"] == 0.5
    compared = events[-1]
    assert isinstance(compared, Compared)
    assert [one.recipe for one in compared.summaries] == ["retrato", "diffusers"]


@pytest.mark.slow
def test_its_checkpoints_make_a_curve_beside_ours(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    told = settings.changed(quick=False, samples=12)
    events = list(evaluate(studio, people / "ana", told, out=tmp_path / "out"))
    _, peer = (event for event in events if isinstance(event, Measured))
    assert [point.at for point in peer.learning] == [4, 8, 12]
    times = [point.seconds for point in peer.learning]
    assert times == sorted(times)
    assert times[-1] == peer.seconds
    assert peer.regret is not None
    assert peer.regret >= 0, "its last step is what it leaves, and is one of those compared"
    compared = events[-1]
    assert isinstance(compared, Compared)
    assert compared.summaries[1].reached is not None


def test_what_the_script_says_is_passed_on(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrato.evaluation.peer._RUNNER", ("-c", "raise SystemExit('out of memory')"))
    with pytest.raises(TrainingError, match="failed on ana: out of memory"):
        list(evaluate(studio, people / "ana", settings, out=tmp_path / "out"))


def test_another_file_or_a_model_that_it_cannot_open_is_refused_first(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"is not diffusers' textual_inversion\.py"):
        next(evaluate(studio, people, settings.changed(script=str(tmp_path / "no.py")), out=tmp_path / "out"))
    studio.model = tmp_path / "model.safetensors"
    studio.model.touch()
    with pytest.raises(ModelError, match="is a single file"):
        next(evaluate(studio, people, settings, out=tmp_path / "out"))
