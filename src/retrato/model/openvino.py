"""The U-Net computed by OpenVINO instead of torch, which is faster on a CPU: the extra `openvino`.

Only the U-Net: text encoder and VAE are called once for a picture, and learned vectors enter the text encoder in torch
as ever. Knows nothing of prompts and steps.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import secrets
import shutil
import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from retrato.errors import ModelError, SettingsError
from retrato.model.components import Components

logger = logging.getLogger("retrato")

DEVICES = {"cpu": "CPU", "xpu": "GPU"}
PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
FURTHER = ("text_embeds", "time_ids")  # what the U-Net of XL also takes, in this order


class CompiledUnet:
    """A U-Net that answers as diffusers' does, computed by OpenVINO. It knows no gradients and no hooks."""

    def __init__(self, unet: Any, compiled: Any) -> None:
        self._unet = unet
        self._compiled = compiled
        self._lock = Lock()  # it computes in buffers of its own

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Gives the prediction [B, C, h, w], float32 on the CPU; `return_dict` is there because diffusers has it."""
        further = [added_cond_kwargs[name] for name in FURTHER] if added_cond_kwargs else []
        inputs = [each.float().cpu().numpy() for each in (sample, timestep, encoder_hidden_states, *further)]
        with self._lock:
            return (torch.from_numpy(self._compiled(inputs)[0]),)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)


def on_openvino(components: Components, folder: Path | None = None, *, dtype: torch.dtype | None = None) -> Components:
    """Gives the model with its U-Net compiled for the processor; itself where that is done already.

    The graph is kept in `folder`, so that the next process need not make it again. `dtype` is float32 or bfloat16; None
    lets OpenVINO choose, and it takes bfloat16 where the processor multiplies it. Pictures of any size, and prompts of
    any length, go through the same graph. Raises SettingsError where OpenVINO is missing or does not compute on the
    model's device, ModelError where it cannot compile the model.
    """
    if isinstance(components.unet, CompiledUnet):
        return components
    openvino = _import_openvino()
    core = openvino.Core()
    device = DEVICES.get(components.device.type)
    if device is None or not any(each.startswith(device) for each in core.available_devices):
        raise SettingsError(
            f"engine is openvino, which computes on a CPU or an Intel GPU, and the device is {components.device}: "
            "add --device cpu, or take --engine torch"
        )
    if components.is_for_inpainting:
        raise SettingsError(
            f"engine is openvino, but {components.name} is a model for inpainting, which is shown masks while it "
            "computes: take --engine torch"
        )
    if components.unet.config.time_cond_proj_dim is not None:
        raise SettingsError(
            f"engine is openvino, but {components.name} is an LCM model, which is told the CFG scale while it "
            "computes: take --engine torch"
        )
    hints: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
    if device == "CPU":
        hints["INFERENCE_NUM_THREADS"] = torch.get_num_threads()
    if dtype is not None:
        if dtype not in PRECISIONS:
            raise SettingsError(f"engine is openvino and dtype is {dtype}: it takes float32 or bfloat16")
        hints["INFERENCE_PRECISION_HINT"] = PRECISIONS[dtype]
    try:
        compiled = core.compile_model(_graph(openvino, core, components, folder), device, hints)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ModelError(f"OpenVINO cannot compile {components.name} ({reason}): take --engine torch") from error
    return dataclasses.replace(components, unet=CompiledUnet(components.unet, compiled))


def _import_openvino() -> Any:
    """Gives the package without its telemetry, which tells Google of every import; it has a stand-in for that."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return import_module("openvino")
    except ImportError:
        raise SettingsError(
            'engine is openvino, but OpenVINO is not installed here: pip install "retrato[openvino]", or take '
            "--engine torch"
        ) from None


def _graph(openvino: Any, core: Any, components: Components, folder: Path | None) -> Any:
    """Gives the U-Net as OpenVINO's graph, from `folder` where it has been made before."""
    version = openvino.__version__.partition("-")[0]
    kept = folder / f"{components.hash}-{str(components.dtype).removeprefix('torch.')}-{version}" if folder else None
    if kept and kept.is_dir():
        try:
            return core.read_model(kept / "unet.xml")
        except RuntimeError:
            logger.warning("%s cannot be read and is made anew", kept)
    logger.info("OpenVINO prepares %s%s", components.name, f", and keeps that in {kept}" if kept else "")
    graph = _converted(openvino, components)
    if kept:
        _keep(openvino, graph, kept)
    return graph


def _converted(openvino: Any, components: Components) -> Any:
    """Traces the U-Net with sides that cannot be halved, so that it finds out sizes as it runs, whichever come."""
    unet = components.unet
    if components.dtype != torch.float32 or components.device.type != "cpu":
        unet = copy.deepcopy(unet).cpu().float()
    config = unet.config
    example = [torch.zeros(2, components.latent_channels, 17, 19), torch.tensor(500.0)]
    example.append(torch.zeros(2, components.chunk_length + 2, sum(components.token_widths)))
    if components.has_pooled_text:
        ids = torch.zeros(2, 6)
        width = config.projection_class_embeddings_input_dim - ids.shape[1] * config.addition_time_embed_dim
        example += [torch.zeros(2, width), ids]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of each size that the U-Net looks at
        return openvino.convert_model(_Positional(unet), example_input=tuple(example))


def _keep(openvino: Any, graph: Any, folder: Path) -> None:
    """Writes the graph into `folder`, as a whole or not at all; without it the next process makes it again."""
    made = folder.with_name(f".tmp-{secrets.token_hex(8)}")  # not by `tempfile`: see `files.temporary_file`
    try:
        made.mkdir(parents=True)
        openvino.save_model(graph, made / "unet.xml", compress_to_fp16=False)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    except (OSError, RuntimeError) as error:
        logger.warning("%s could not be written: %s", folder, error)
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _Positional(nn.Module):
    """The U-Net with tensors in a row in place of names and dictionaries, as a trace wants it."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, states: Tensor, *further: Tensor) -> Tensor:
        named = dict(zip(FURTHER, further, strict=False)) or None
        found: tuple[Tensor] = self.unet(
            sample, timestep, encoder_hidden_states=states, added_cond_kwargs=named, return_dict=False
        )
        return found[0]
