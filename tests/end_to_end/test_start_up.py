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
RUN = """
import gc, json, sys
collections = []
gc.callbacks.append(lambda phase, _: collections.append(phase) if phase == "start" else None)
from retrato.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, list(sys.modules), len(collections), gc.isenabled()]))
"""
FIRST_PICTURE = ("generate", "a man", "--steps", "1", "--seed", "1", "--device", "cpu", "--sampler", "Euler a")


def run(*arguments: str) -> tuple[list[str], int]:
    """Runs a command in a fresh process: the modules that it imported, and how often garbage was collected."""
    found = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    code, modules, collections, is_collecting = json.loads(found.stdout.splitlines()[-1])
    assert code == 0
    assert is_collecting
    return modules, collections


def test_a_first_picture_needs_one_model_little_of_scipy_and_hardly_a_collection(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    modules, collections = run(*FIRST_PICTURE, "--model", str(tiny_folder))
    assert [name for name in UNUSED if name in modules] == []
    models = [name for name in modules if name.startswith(("diffusers.models.", "transformers.models."))]
    assert len(models) < 50  # of about 300 and 400
    assert collections < 200  # of about 1,100 where imports and reading are not spared


def test_help_needs_no_torch() -> None:
    code = "import sys; from retrato.cli import main; main(['--help']); print('torch' in sys.modules, file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "False"


def test_the_list_of_samplers_needs_nothing_that_computes() -> None:
    modules, _ = run("samplers")
    unneeded = ("torch", "diffusers", "transformers", "PIL", "retrato.model", "retrato.studio")
    assert [name for name in unneeded if name in modules] == []
