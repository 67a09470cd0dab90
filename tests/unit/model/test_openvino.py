"""The U-Net by OpenVINO beside the same by torch; skipped where the extra is not installed."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from retrato.errors import SettingsError
from retrato.model import Components, load_components
from retrato.model.openvino import on_openvino

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
