"""The U-Net by OpenVINO beside the same by torch; skipped where the extra is not installed."""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel

from retrato.errors import SettingsError
from retrato.model import Components, load_components, openvino
from retrato.model.openvino import _keep, on_openvino

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="wants the openvino extra")


def asked(model: Components, count: int, height: int, width: int, tokens: int) -> tuple[tuple[object, ...], dict]:
    """What the denoising loop asks of a U-Net."""
    chance = torch.Generator().manual_seed(3)
    sample = torch.randn(count, model.latent_channels, height, width, generator=chance)
    states = torch.randn(count, tokens, sum(model.token_widths), generator=chance)
    further = None
    if model.has_pooled_text:
        further = {"text_embeds": torch.randn(count, 24, generator=chance), "time_ids": torch.full((count, 6), 64.0)}
    return (sample, torch.tensor(321)), {"encoder_hidden_states": states, "added_cond_kwargs": further}


@needs_openvino
@pytest.mark.parametrize("kind", ["tiny_components", "tiny_xl_components"])
def test_it_answers_as_torch_does_whatever_size_and_length(kind: str, request: pytest.FixtureRequest) -> None:
    model: Components = request.getfixturevalue(kind)
    compiled = on_openvino(model, dtype=torch.float32)
    for count, height, width, tokens in ((1, 8, 8, 77), (2, 9, 16, 77), (3, 8, 11, 154)):
        arguments, named = asked(model, count, height, width, tokens)
        with torch.no_grad():
            wanted = model.unet(*arguments, **named, return_dict=False)[0]
        torch.testing.assert_close(compiled.unet(*arguments, **named)[0], wanted, rtol=1e-4, atol=1e-4)
    assert on_openvino(compiled) is compiled


@needs_openvino
def test_the_graph_is_kept_and_a_damaged_one_made_anew(
    tiny_components: Components, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments, named = asked(tiny_components, 1, 8, 8, 77)
    caplog.set_level("INFO", logger="retrato")
    first = on_openvino(tiny_components, tmp_path, dtype=torch.float32).unet(*arguments, **named)[0]
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith(f"{tiny_components.hash}-float32-")
    assert len(caplog.messages) == 1
    again = on_openvino(tiny_components, tmp_path, dtype=torch.float32).unet(*arguments, **named)[0]
    assert torch.equal(first, again)
    assert len(caplog.messages) == 1
    (kept / "unet.xml").write_text("no graph")
    mended = on_openvino(tiny_components, tmp_path, dtype=torch.float32).unet(*arguments, **named)[0]
    assert torch.equal(first, mended)
    assert "cannot be read and is made anew" in caplog.messages[1]
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]


def test_a_folder_that_cannot_be_written_to_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On Windows `tempfile` would try 2 ** 31 names: there `os.access` says that all can write everywhere."""
    tried, folder, make = [], tmp_path / "graphs" / "a", os.mkdir
    folder.parent.mkdir()

    def refused(name: str | Path, *rest: int) -> None:
        if str(name) == str(folder.parent):
            return make(name, *rest)
        tried.append(name)
        if len(tried) > 9:
            raise SystemExit("no end of it")
        raise PermissionError(13, "Access is denied", str(name))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)  # it asks for the system too
        patched.setattr(os, "mkdir", refused)
        patched.setattr(os, "name", "nt")
        _keep(None, None, folder)
    assert len(tried) == 1
    assert "graphs/a could not be written: [Errno 13] Access is denied" in caplog.text


def test_a_graph_is_there_as_a_whole_or_not_at_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def save(text: str, file: Path, compress_to_fp16: bool) -> None:
        file.write_text(text)
        if text == "half":
            raise RuntimeError("the disk is full")

    openvino, folder = SimpleNamespace(save_model=save), tmp_path / "graphs" / "a"
    for text in ("one", "two", "half"):
        _keep(openvino, text, folder)
    assert (folder / "unet.xml").read_text() == "two"
    assert os.listdir(folder.parent) == ["a"]
    assert "the disk is full" in caplog.text


@needs_openvino
def test_bfloat16_is_near_and_not_the_same(tiny_components: Components) -> None:
    arguments, named = asked(tiny_components, 1, 8, 8, 77)
    exact, short = (
        on_openvino(tiny_components, dtype=dtype).unet(*arguments, **named)[0]
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert (exact - short).abs().mean() < 0.05 * exact.abs().mean()


@needs_openvino
def test_other_devices_formats_and_models_are_refused(
    tiny_components: Components, family_folder: Callable[[str], Path]
) -> None:
    elsewhere = dataclasses.replace(tiny_components, device=torch.device("cuda"))
    with pytest.raises(SettingsError, match="the device is cuda: add --device cpu, or take --engine torch"):
        on_openvino(elsewhere)
    with pytest.raises(SettingsError, match="takes float32 or bfloat16"):
        on_openvino(tiny_components, dtype=torch.float16)
    with pytest.raises(SettingsError, match="is a model for inpainting"):
        on_openvino(load_components(family_folder("sd1/inpainting"), device="cpu"))


def test_a_model_that_is_told_its_scale_is_refused(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = SimpleNamespace(available_devices=["CPU"])
    monkeypatch.setattr(openvino, "_import_openvino", lambda: SimpleNamespace(Core=lambda: core))
    unet = UNet2DConditionModel.from_config({**tiny_components.unet.config, "time_cond_proj_dim": 16})
    with pytest.raises(SettingsError, match="is an LCM model, which is told the CFG scale while it computes"):
        on_openvino(dataclasses.replace(tiny_components, unet=unet))


@needs_openvino
def test_its_telemetry_is_never_loaded() -> None:
    """It would tell Google of each import. In a process of its own, as others here may have imported what they like."""
    code = (
        "import sys; from retrato.model.openvino import _import_openvino as get; get();"
        "print([name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_without_the_extra_it_says_what_to_install(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingsError, match=r'pip install "retrato\[openvino\]", or take --engine torch'):
        on_openvino(tiny_components)
