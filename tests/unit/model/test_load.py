import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from retrato.errors import ModelError, SettingsError
from retrato.model import Components, load, load_components
from retrato.model.catalogue import describe_model
from retrato.model.device import _say_what_is_unused, choose_device
from retrato.model.words import nearest_words


def test_everything_is_frozen_and_in_evaluation_mode(tiny_components: Components) -> None:
    for module in tiny_components.modules:
        assert not module.training
        assert not any(weight.requires_grad for weight in module.parameters())
        assert {weight.dtype for weight in module.parameters()} == {torch.float32}


def test_the_numbers_of_the_model(tiny_components: Components, tiny_xl_components: Components) -> None:
    tiny, large = tiny_components, tiny_xl_components
    assert (tiny.vae_scale, tiny.latent_channels, tiny.chunk_length, tiny.token_widths) == (8, 4, 75, (32,))
    assert (tiny.defaults.size, tiny.defaults.guidance_scale, tiny.prediction_type) == (64, 7.0, "epsilon")
    assert (large.token_widths, large.has_pooled_text, tiny.has_pooled_text) == ((32, 48), True, False)


def test_a_folder_that_does_not_say_means_by_an_empty_prompt_what_diffusers_does(
    tiny_components: Components, tiny_xl_components: Components, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    assert (tiny_components.zero_empty_negative, tiny_xl_components.zero_empty_negative) == (False, True)
    folder = shutil.copytree(tiny_xl_folder, tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "force_zeros_for_empty_prompt": False}))
    assert not load_components(folder, device="cpu").zero_empty_negative


def test_the_folder_may_bring_name_and_defaults(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    defaults = {
        "guidance_scale": 3.5,
        "class_word": "robot",
        "sampler": "DPM++ 2M",
        "steps": 20,
    }  # older files say more
    said = {"name": "small", "defaults": defaults, "card": "for people"}
    (folder / "retrato.json").write_text(json.dumps(said))
    model = load_components(folder)
    assert (model.name, model.defaults.size) == ("small", 64)
    assert (model.defaults.guidance_scale, model.defaults.class_word) == (3.5, "robot")


def test_the_hash_follows_the_unets_weights(tiny_folder: Path, tmp_path: Path, tiny_components: Components) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    assert load_components(folder).hash == tiny_components.hash
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert load_components(folder).hash != tiny_components.hash
    assert len(tiny_components.hash) == 10


def test_what_is_no_model_is_refused_with_what_is_accepted(tmp_path: Path) -> None:
    for source in ("nobody/nothing", tmp_path / "absent", tmp_path):
        with pytest.raises(ModelError, match="folder in diffusers layout"):
            load_components(source)


def test_a_folder_with_code_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / "unet" / "surprise.py").write_text("print('hello')")
    with pytest.raises(ModelError, match=r"surprise\.py"):
        load_components(folder)


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        ("unet", ["my_package", "UNet2DConditionModel"]),
        ("unet", ["diffusers", "SomethingElse"]),
        ("text_encoder", ["transformers", "BertModel"]),
        ("feature_extractor", ["os", "system"]),
        ("_class_name", ["pipeline.py", "MyPipeline"]),
        ("text_encoder", 3),
        ("vae", None),
    ],
)
def test_foreign_classes_are_refused(tiny_folder: Path, tmp_path: Path, place: str, entry: object) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    index[place] = entry
    if entry is None:
        del index[place]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model_index\.json"):
        load_components(folder)


@pytest.mark.parametrize("broken", ["unet/config.json", "vae/diffusion_pytorch_model.safetensors", "model_index.json"])
def test_a_broken_part_is_one_sentence(tiny_folder: Path, tmp_path: Path, broken: str) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / broken).write_bytes(b"\x00\x01 not this")
    with pytest.raises(ModelError, match="missing") as caught:
        load_components(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"])
def test_a_part_that_lacks_tensors_is_refused_by_their_names(tiny_folder: Path, tmp_path: Path, part: str) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    file = folder / f"{part}.safetensors"
    tensors = load_file(file)
    lost = sorted(tensors)[-5:]
    save_file({name: tensors[name] for name in tensors if name not in lost}, file, {"format": "pt"})
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_components(folder)
    said = str(caught.value)
    assert f"{file.parent.name} lacks {', '.join(lost[:3])} and 2 more" in said
    assert "\n" not in said
    if part.startswith("vae"):
        with pytest.raises(ModelError, match=f"vae lacks {lost[0]}"):
            load_components(tiny_folder, vae=file.parent)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("unet", {"block_out_channels": 4}),
        ("unet", {"attention_head_dim": 0}),
        ("vae", {"block_out_channels": None}),
        ("text_encoder", {"hidden_size": "wide"}),
        ("text_encoder", {"num_attention_heads": 3}),
    ],
)
def test_numbers_that_cannot_be_are_one_sentence(
    tiny_folder: Path, tmp_path: Path, part: str, said: dict[str, object]
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = folder / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **said}))
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_components(folder)
    assert "\n" not in str(caught.value)


def test_a_unet_for_something_else_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    UNet2DConditionModel.from_config(
        {**UNet2DConditionModel.load_config(folder / "unet"), "in_channels": 8}
    ).save_pretrained(folder / "unet")
    with pytest.raises(ModelError, match=r"cannot be used: its U-Net takes 8 channels, not 4, or 9 as for inpainting"):
        load_components(folder)


@pytest.mark.parametrize(
    ("file", "said", "sentence"),
    [
        ("unet/config.json", {"class_embed_type": "identity"}, r"wants more than a text, such as a picture \(unCLIP\)"),
        ("scheduler/scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "it is an EDM model"),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "it is a flow model"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "predicts 'sample'"),
        ("vae/config.json", {"latents_mean": [0.1] * 4, "latents_std": [2.0] * 4}, r"\(latents_mean\)"),
    ],
)
def test_models_of_another_kind_that_look_like_these_are_refused(
    tiny_folder: Path, tmp_path: Path, file: str, said: dict[str, object], sentence: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), **said}))
    for read in (load_components, describe_model):
        with pytest.raises(ModelError, match=f"model cannot be used: its .*{sentence}") as caught:
            read(folder)
        assert "\n" not in str(caught.value)
    if file.startswith("vae"):
        with pytest.raises(ModelError, match=f"vae cannot be used: its VAE .*{sentence}"):
            load_components(tiny_folder, vae=folder)


def test_half_precision_downloads_are_read(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert load_components(folder).unet.dtype == torch.float32


def test_memory_is_the_models_own(tiny_components: Components) -> None:
    """Mapped from a file, weights would begin anywhere, and products with them differ in the last digit."""
    assert all(weight.data_ptr() % 64 == 0 for module in tiny_components.modules for weight in module.parameters())


def test_the_family_option_says_what_a_folder_predicts(tiny_folder: Path) -> None:
    assert load_components(tiny_folder, family="sd1-v").prediction_type == "v_prediction"
    with pytest.raises(ModelError, match=r"no family 'sd9': choose auto, sd1"):
        load_components(tiny_folder, family="sd9")


def test_another_vae_can_be_chosen(tiny_folder: Path, tmp_path: Path, tiny_components: Components) -> None:
    folder = shutil.copytree(tiny_folder / "vae", tmp_path / "vae")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "scaling_factor": 0.5}))
    for given in (folder, tmp_path):
        assert load_components(tiny_folder, vae=given).vae.config.scaling_factor == 0.5
    assert tiny_components.vae.config.scaling_factor != 0.5
    with pytest.raises(ModelError, match="no VAE"):
        load_components(tiny_folder, vae=tiny_folder / "unet")
    (folder / "config.json").write_text(json.dumps({**config, "block_out_channels": None}))
    with pytest.raises(ModelError, match="no VAE"):
        load_components(tiny_folder, vae=folder)


@pytest.mark.parametrize(("found", "expected"), [({}, 1), ({"avx512_bf16": True, "amx_tile": True}, 0)])
def test_a_cpu_gets_float32_and_a_warning_where_halves_are_slow(
    found: dict[str, bool], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert choose_device("cpu").dtype == torch.float32
    assert choose_device("cpu", "float32").warning is None
    assert (choose_device("cpu", "bfloat16").warning is not None) == bool(expected)
    assert "50 times" in (choose_device("cpu", "float16").warning or "")


def test_a_gpu_gets_the_halves_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Card 9000")
    for capability, dtype in (((8, 6), torch.bfloat16), ((7, 5), torch.float16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_, said=capability: said)
        choice = choose_device()
        assert (choice.device.type, choice.dtype) == ("cuda", dtype)
        assert "Card 9000" in choice.reason


def test_cards_without_working_halves_get_what_they_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 5))
    for name, dtype in (("NVIDIA GeForce GTX 1660 SUPER", torch.float32), ("NVIDIA GeForce RTX 2060", torch.float16)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_, said=name: said)
        assert choose_device().dtype == dtype
    monkeypatch.setattr(torch.version, "hip", "6.4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (10, 3))
    for name, dtype in (("gfx1031", torch.float16), ("gfx1100", torch.bfloat16), ("gfx942:sramecc+", torch.bfloat16)):
        said = SimpleNamespace(gcnArchName=name)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda *_, said=said: said)
        assert choose_device().dtype == dtype


def test_a_card_that_this_torch_is_not_built_for_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("retrato.model.device.shutil.which", lambda name: f"C:\\{name}.exe")
    for build, expected in (("12.8", 0), (None, 1)):
        monkeypatch.setattr(torch.version, "cuda", build)
        _say_what_is_unused.cache_clear()
        for asked in ("auto", "auto", "cpu"):
            assert choose_device(asked).device.type == "cpu"
        assert len(caplog.messages) == expected
    _say_what_is_unused.cache_clear()
    assert "an NVIDIA card, but this torch is built without CUDA; `retrato doctor` says" in caplog.text


def test_a_model_that_does_not_fit_says_so(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(load, "freeze", full)
    with pytest.raises(ModelError, match="does not fit into the memory of cpu: close other programs"):
        load_components(tiny_folder, device="cpu")


def test_apples_and_intels_gpus_are_taken_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not torch.cuda.is_available()
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "get_device_name", lambda *_: "Arc")
    intel = choose_device()
    assert (intel.device.type, intel.dtype) == ("xpu", torch.bfloat16)
    assert "an Intel GPU was found: Arc" in intel.reason
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    apple = choose_device()
    assert (apple.device.type, apple.dtype) == ("mps", torch.float32)
    assert "black pictures" in apple.reason
    assert choose_device("mps").device.type == "mps"
    assert choose_device("cpu").device.type == "cpu"


def test_device_and_format() -> None:
    assert choose_device("cpu").dtype == torch.float32
    assert choose_device("cpu", "bfloat16").dtype == torch.bfloat16
    assert "float32" in choose_device("cpu").reason
    for device, dtype in (
        ("toaster", "auto"),
        ("cuda:99", "auto"),
        ("xpu:9", "auto"),
        ("mps", "auto"),
        ("meta", "auto"),
        ("cpu", "int8"),
    ):
        with pytest.raises(SettingsError):
            choose_device(device, dtype)


def test_what_a_mac_leaves_beside_files_is_no_part_of_a_model(tiny_folder: Path, tmp_path: Path) -> None:
    plain = load_components(tiny_folder)
    shutil.copytree(tiny_folder, tmp_path / "share")
    for file in [*(tmp_path / "share").rglob("*.safetensors")]:
        file.with_name(f"._{file.name}").write_bytes(b"Mac OS X")
    assert load_components(tmp_path / "share").hash == plain.hash
    assert nearest_words(tmp_path / "share", (torch.ones(1, 32),))


@pytest.mark.parametrize(("room", "places"), [(9, ["cuda"]), (2, ["cuda", "cpu"])])
def test_text_encoders_stay_with_the_cpu_where_the_gpu_has_no_room_beside(
    monkeypatch: pytest.MonkeyPatch, room: int, places: list[str]
) -> None:
    """As Stable Diffusion XL on a card of 8 GiB: `room` is what it holds, counted in parts."""
    held: dict[str, str] = {}
    tried: list[str] = []

    def move(module: str, device: torch.device, dtype: torch.dtype) -> None:
        held[module] = device.type
        if module == "texts":
            tried.append(device.type)
        if sum(place == "cuda" for place in held.values()) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(load, "freeze", move)
    monkeypatch.setattr(load, "bound_memory", lambda _: None)
    parts: Any = SimpleNamespace(text_encoders=["texts"], vae="vae", unet="unet")
    choice: Any = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float16)
    said = load._place(parts, choice, "xl")
    assert tried == places
    assert held == {"texts": places[-1], "vae": "cuda", "unet": "cuda"}
    assert bool(said) == (len(places) == 2)
    room = 1
    with pytest.raises(ModelError, match="xl does not fit into the memory of cuda: close"):
        load._place(parts, choice, "xl")


@pytest.mark.parametrize(("asked", "weighs"), [("cuda", 5), ("cuda:0", 5), ("cpu", 7), ("mps", 0)])
def test_weights_on_a_gpu_without_a_number_are_counted(asked: str, weighs: int) -> None:
    """`auto` chooses plain `cuda`, while weights there say `cuda:0`; a card's memory seemed empty."""
    held = [SimpleNamespace(device=torch.device(place), nbytes=size) for place, size in (("cuda:0", 5), ("cpu", 7))]
    module: Any = SimpleNamespace(parameters=lambda: held)
    assert load._bytes_on(torch.device(asked), [module]) == weighs
