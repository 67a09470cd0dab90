from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.ldm_file import ldm_tensors
from retrato.errors import EmbeddingError, ModelError
from retrato.model import load_components
from retrato.model.catalogue import describe_model
from retrato.model.words import check_own_word, nearest_words


def test_a_words_own_vector_is_nearest_to_it() -> None:
    """On the embedded model, whose folder brings its own words."""
    components = load_components()
    table = components.text_encoders[0].get_input_embeddings().weight
    ids = [components.tokenizers[0](word, add_special_tokens=False).input_ids[0] for word in ("person", "portrait")]
    (found,) = nearest_words("mini", (table[ids] * 3,))
    assert [words[0].text for words in found] == ["person", "portrait"]
    assert all(abs(words[0].cosine - 1) < 1e-5 for words in found)
    assert all(words[0].cosine >= words[1].cosine >= words[3].cosine for words in found)


def test_both_encoders_of_xl_have_words(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder, path = family_folder("xl"), tmp_path / "xl.safetensors"
    tensors = ldm_tensors(folder)
    save_file({name: value for name, value in tensors.items() if not name.startswith("first_stage")}, path)
    names = [name for name in sorted(tensors) if name.endswith("token_embedding.weight")]
    vectors = tuple(tensors[name][[2533, 18376]] for name in names)  # "person", "astronaut"
    assert describe_model(folder).dims == describe_model(path).dims == (64, 128)
    for source in (folder, path):
        for words in nearest_words(source, vectors):
            assert [each[0].text for each in words] == ["person", "astronaut"]


def test_an_ordinary_word_is_nobodys_name() -> None:
    for name, dims, model in (("Portrait", (192,), "mini"), ("bia", (768,), "Stable Diffusion 1")):
        with pytest.raises(EmbeddingError, match=f"'{name}' is an ordinary word of {model}, .* such as {name}-1"):
            check_own_word(name, dims, "mini")
    check_own_word("bia", (192,), "mini")  # a word of Stable Diffusion's, not of this model's
    check_own_word("portrait-1", (192,), "mini")
    check_own_word("portrait", (5,), "mini")  # nobody knows whose


def test_what_is_a_word_is_what_training_takes_for_one() -> None:
    components = load_components()
    for name in ("portrait", "ana", "ana-t1", "benny", "person"):
        is_one_token = len(components.tokenizers[0](name, add_special_tokens=False).input_ids) == 1
        with pytest.raises(EmbeddingError) if is_one_token else nullcontext():
            check_own_word(name, (192,), "mini")


def test_a_folder_without_words_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    for path in folder.glob("tokenizer/*.json"):
        path.write_text("{}")
    with pytest.raises(ModelError, match="no words"):
        nearest_words(folder, (torch.ones(1, 32),))
    with pytest.raises(ModelError, match="no words"):
        check_own_word("ana", (32,), folder)
