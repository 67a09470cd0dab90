"""What a fresh process imports until its first picture. Counted, as seconds depend on the machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Each is hundreds of modules that a first picture has no use for.
UNUSED = (
    *("gradio", "pandas", "ray", "wandb", "tensorboard", "openvino", "onnxruntime", "torchsde", "dlib"),
    *("scipy.stats._stats_py", "scipy.optimize._optimize", "scipy.integrate._quad_vec", "scipy.special._ufuncs"),
    *("diffusers.pipelines.pipeline_utils", "diffusers.models.unets.unet_motion_model"),
    *("retrato.server", "retrato.jobs", "retrato.evaluation", "sqlite3"),
)
FIRST_PICTURE = """
import json, sys
from retrato.cli import main
code = main(["generate", "a man", "--steps", "1", "--seed", "1", "--device", "cpu", *sys.argv[1:]])
print(json.dumps([code, list(sys.modules)]))
"""


def imported(*arguments: str) -> list[str]:
    command = [sys.executable, "-c", FIRST_PICTURE, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    code, modules = json.loads(found.stdout.splitlines()[-1])
    assert code == 0
    return list(modules)


def test_a_first_picture_needs_one_model_and_little_of_scipy(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    modules = imported("--model", str(tiny_folder), "--sampler", "Euler a")
    assert [name for name in UNUSED if name in modules] == []
    models = [name for name in modules if name.startswith(("diffusers.models.", "transformers.models."))]
    assert len(models) < 50  # of about 300 and 400


def test_help_needs_no_torch() -> None:
    code = "import sys; from retrato.cli import main; main(['--help']); print('torch' in sys.modules, file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "False"
