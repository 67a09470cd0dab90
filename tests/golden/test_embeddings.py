"""Every file of the manifest: layouts of all ages are read with the right numbers, everything else is refused."""

import hashlib
import json
import os
import tracemalloc
from pathlib import Path

import numpy
import pytest
import torch

from retrato.embeddings import EmbeddingLibrary, read_embedding
from retrato.errors import EmbeddingError

FOLDER = Path(__file__).parent / "data" / "embeddings"
FILES = json.loads((FOLDER / "manifest.json").read_text())["files"]
GOOD = [entry for entry in FILES if entry["load_should"] == "succeed"]
REFUSED = [entry for entry in FILES if entry["load_should"] == "be refused"]
MARKER = Path("/tmp/pwned")  # what the hostile pickles would touch


def drawn(seed: int, vectors: int, width: int) -> torch.Tensor:
    """Gives the numbers that the manifest says a file was made from."""
    values = numpy.random.default_rng(seed).standard_normal((vectors, width)) * 0.02
    return torch.from_numpy(values.astype(numpy.float32))


def test_the_manifest_is_whole():
    assert len(GOOD) + len(REFUSED) == len(FILES) == 40
    for entry in FILES:
        assert hashlib.sha256((FOLDER / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["file"])
def test_reads(entry):
    expected = entry["expect"]
    embedding = read_embedding(FOLDER / entry["file"])
    assert embedding.vectors_per_token == expected["vectors"]
    assert sum(embedding.dims) == expected["dim"]
    assert all(vectors.dtype == torch.float32 for vectors in embedding.vectors)
    if isinstance(expected.get("seed"), int):
        assert torch.equal(embedding.vectors[0], drawn(expected["seed"], expected["vectors"], expected["dim"]))
        assert embedding.vectors[0][0, :4].tolist() == pytest.approx(expected["first_values"], abs=1e-8)
    if "l2_norm" in expected:
        assert embedding.vectors[0].norm().item() == pytest.approx(expected["l2_norm"], abs=1e-5)
    if "step" in expected:
        assert embedding.step == expected["step"]
    if "sd_checkpoint" in expected:
        assert embedding.base_model_hash == expected["sd_checkpoint"]
        assert embedding.base_model == expected["sd_checkpoint_name"]


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["file"])
def test_name_is_the_files_or_a_cards_own(entry):
    path = FOLDER / entry["file"]
    name = entry["expect"]["inner_name"] if path.suffix == ".png" else path.stem
    assert read_embedding(path).name == name


def test_sdxl_has_both_encoders_in_order():
    embedding = read_embedding(FOLDER / "sdxl_2v.safetensors")
    assert embedding.dims == (768, 1280)
    assert torch.equal(embedding.vectors[0], drawn(150, 2, 768))
    assert torch.equal(embedding.vectors[1], drawn(151, 2, 1280))


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: entry["file"])
def test_refuses(entry):
    with pytest.raises(EmbeddingError) as caught:
        read_embedding(FOLDER / entry["file"])
    assert str(caught.value).startswith(f"{entry['file']} cannot be used: ")
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("rinongal_two_terms.pt", "more than one term"),
        ("png_resized_destroyed.png", "resized"),
        ("plain_picture.png", "ordinary picture"),
        ("a1111_1v.preview.png", "preview picture"),
        ("evil_raw_pickle.pt", "posix.system, a forbidden global"),
        ("evil_zip.pt", "posix.system, a forbidden global"),
        ("truncated.safetensors", "cut off"),
        ("empty.pt", "empty file"),
        ("lfs_pointer.safetensors", "git lfs pull"),
        ("nan_values.pt", "NaN"),
        ("png_nan.png", "NaN"),
        ("no_vectors.safetensors", "no vectors"),
        ("empty_dict.pt", "no vectors"),
        ("is_a_lora.safetensors", "LoRA"),
        ("bomb_zip_200mb.pt", "too large"),
        ("bomb_png_dimensions.png", "too large"),
        ("bomb_png_ztxt.png", "too large"),
    ],
)
def test_says_why(file, reason):
    with pytest.raises(EmbeddingError, match=reason):
        read_embedding(FOLDER / file)


def test_hostile_files_run_nothing_and_take_little_memory(monkeypatch):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail(f"ran {command}"))
    monkeypatch.setattr("posix.system", lambda command: pytest.fail(f"ran {command}"))
    before = MARKER.exists()
    tracemalloc.start()
    try:
        for entry in FILES:
            if entry.get("hostile"):
                with pytest.raises(EmbeddingError):
                    read_embedding(FOLDER / entry["file"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert MARKER.exists() == before
    assert peak < 50e6


def test_a_folder_of_all_of_them_loads_what_is_good():
    library = EmbeddingLibrary(FOLDER, dims=(768,))
    fitting = [entry["file"] for entry in GOOD if entry.get("compatible_with_sd1", True)]
    twins = {"a1111_1v.safetensors", "a1111_2v.safetensors", "diffusers_learned_embeds.safetensors"}
    assert len(library) == len(fitting) - len(twins) == 15
    reasons = {path.name: reason for path, reason in library.skipped.items()}
    everything = {entry["file"] for entry in FILES} - {"a1111_1v.preview.png"}
    assert reasons.keys() == everything - (set(fitting) - twins)
    assert reasons["a1111_1v.safetensors"].startswith("a1111_1v.safetensors is called a1111_1v, as a1111_1v.pt is")
    assert "this model takes 768: it was made for Stable Diffusion 2" in reasons["a1111_sd2_1024.pt"]
    assert "this model takes 768: it was made for Stable Diffusion XL" in reasons["sdxl_2v.safetensors"]
    assert any("zero_valued_1v is all zeros" in warning for warning in library.warnings)
