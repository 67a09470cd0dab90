import os

import pytest
import torch

from retrato.embeddings import Embedding, EmbeddingLibrary, write_embedding
from retrato.errors import EmbeddingError


def made(name, value=1.0, width=768, vectors=1):
    return Embedding(name, (torch.full((vectors, width), value),))


@pytest.fixture
def library(tmp_path):
    return EmbeddingLibrary(tmp_path, dims=(768,))


def test_a_missing_folder_is_an_empty_library(tmp_path):
    library = EmbeddingLibrary(tmp_path / "none")
    assert library.names == []
    assert library.summary() == "Loaded a total of 0 textual inversion embeddings."
    assert not (tmp_path / "none").exists()


def test_summary_is_a1111s_line(library):
    library.add(made("realbenny-t1"))
    library.add(made("realbenny-t2", vectors=2))
    assert library.summary() == (
        "Loaded a total of 2 textual inversion embeddings. Embeddings: realbenny-t2, realbenny-t1"
    )


def test_summary_names_each_skipped_file_and_each_surprise(library, tmp_path):
    library.add(made("ana"))
    library.add(made("ana-2", value=0.0))
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    library.reload()
    first, skipped, zero = library.summary().split("\n")
    assert first == "Loaded a total of 2 textual inversion embeddings. Embeddings: ana-2, ana"
    assert skipped.startswith("Skipped: bad.pt cannot be used: ")
    assert zero.startswith("ana-2 is all zeros")


def test_a_name_with_brackets_says_how_it_is_written(library):
    library.add(made("ana (1)"))
    assert library.summary().split("\n")[1:] == [
        r"ana (1) has brackets: write it as ana \(1\) in a prompt, or rename it"
    ]


def test_looks_up_without_regard_to_case(library):
    library.add(made("Ana Júlia"))
    assert library["ana júlia"].name == "Ana Júlia"
    assert "ANA JÚLIA" in library
    assert 3 not in library
    assert list(library) == library.names == ["Ana Júlia"]
    assert library.embeddings.keys() == {"Ana Júlia"}


def test_an_unknown_name_says_which_are_near(library):
    library.add(made("realbenny"))
    with pytest.raises(EmbeddingError, match="did you mean realbenny"):
        library["realbeny"]
    with pytest.raises(EmbeddingError, match="there are realbenny"):
        library["zoe"]


def test_notices_new_overwritten_and_removed_files_also_in_folders(library, tmp_path):
    assert not library.reload()
    path = write_embedding(made("ana"), tmp_path / "deep" / "er" / "ana.safetensors")
    assert library.reload()
    write_embedding(made("ana", value=2.0), path)
    assert library.reload()
    assert library["ana"].vectors[0][0, 0] == 2.0
    assert not library.reload()
    path.unlink()
    assert library.reload()
    assert library.names == []


def test_notices_an_overwrite_in_place_of_the_same_size(library, tmp_path):
    path = library.add(made("ana"))
    stamp = path.stat().st_mtime_ns
    path.write_bytes(write_embedding(made("ana", value=3.0), tmp_path / "other.safetensors").read_bytes())
    os.utime(path, ns=(stamp + 1, stamp + 1))
    library.reload()
    assert library["ana"].vectors[0][0, 0] == 3.0


def test_unchanged_files_are_not_read_again(library):
    library.add(made("ana"))
    before = library["ana"]
    library.reload()
    assert library["ana"] is before


def test_skips_other_widths_with_a_sentence(library, tmp_path):
    write_embedding(made("ana", width=1024), tmp_path / "ana.pt", "a1111-pt")
    path = write_embedding(Embedding("bia", (torch.ones(1, 192),), base_model="mini"), tmp_path / "bia.safetensors")
    library.reload()
    assert library.skipped[tmp_path / "ana.pt"] == (
        "ana.pt holds vectors of 1024, this model takes 768: it was made for Stable Diffusion 2"
    )
    assert library.skipped[path] == "bia.safetensors holds vectors of 192, this model takes 768: it was made for mini"


def test_any_width_loads_without_dims(tmp_path):
    write_embedding(made("ana", width=1024), tmp_path / "ana.safetensors")
    assert EmbeddingLibrary(tmp_path).names == ["ana"]


def test_of_duplicates_the_last_in_order_loses(library, tmp_path):
    write_embedding(made("ana", value=1.0), tmp_path / "ana.pt", "a1111-pt")
    later = write_embedding(made("Ana", value=2.0), tmp_path / "deep" / "Ana.safetensors")
    library.reload()
    assert library["ana"].vectors[0][0, 0] == 1.0
    assert library.skipped == {later: "deep/Ana.safetensors is called Ana, as ana.pt is: rename or remove one of them"}


def test_other_files_hidden_ones_and_previews_are_not_looked_at(library, tmp_path):
    for name in ("ana.preview.png", "notes.txt", ".ana.safetensors", "ana.pt.optim", ".hidden/ana.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    library.reload()
    assert library.skipped == {}


def test_a_link_out_of_the_folder_is_skipped(tmp_path):
    outside = write_embedding(made("ana"), tmp_path / "outside" / "ana.safetensors")
    folder = tmp_path / "embeddings"
    folder.mkdir()
    (folder / "ana.safetensors").symlink_to(outside)
    (folder / "lost.pt").symlink_to(tmp_path / "nowhere")
    (folder / "others").symlink_to(outside.parent)
    (folder / "round").symlink_to(folder)
    library = EmbeddingLibrary(folder)
    assert list(library.skipped.values()) == [
        "ana.safetensors is a link out of the folder: copy the file itself",
        "others is a link out of the folder: copy the folder itself",
    ]


def test_add_refuses_a_taken_name_unless_told(library, tmp_path):
    old = write_embedding(made("ana"), tmp_path / "deep" / "ana.pt", "a1111-pt")
    library.reload()
    with pytest.raises(EmbeddingError, match="the name ANA is taken by"):
        library.add(made("ANA", value=2.0))
    assert library.add(made("ana", value=2.0), overwrite=True) == tmp_path / "ana.safetensors"
    assert not old.exists()
    assert library["ana"].vectors[0][0, 0] == 2.0
    assert library.add(made("ana", value=3.0), overwrite=True).exists()
    assert library["ana"].vectors[0][0, 0] == 3.0


def test_add_refuses_to_cover_a_file_that_did_not_load(library, tmp_path):
    (tmp_path / "ana.safetensors").write_bytes(b"precious")
    with pytest.raises(EmbeddingError, match="is taken"):
        library.add(made("ana"))
    assert (tmp_path / "ana.safetensors").read_bytes() == b"precious"


def test_add_refuses_another_width(library):
    with pytest.raises(EmbeddingError, match="ana holds vectors of 1024, this model takes 768"):
        library.add(made("ana", width=1024))
    assert library.names == []


def test_remove(library):
    path = library.add(made("ana"))
    assert library.remove("ANA") == path
    assert not path.exists()
    assert library.names == []
    with pytest.raises(EmbeddingError, match="none yet"):
        library.remove("ana")


def test_rename_keeps_the_bytes(library, tmp_path):
    content = library.add(made("ana")).read_bytes()
    library.add(made("bia"))
    assert library.rename("ana", "eva") == tmp_path / "eva.safetensors"
    assert (tmp_path / "eva.safetensors").read_bytes() == content
    assert library.names == ["bia", "eva"]
    assert library.rename("eva", "Eva") == tmp_path / "Eva.safetensors"
    for taken in ("bia", "BIA"):
        with pytest.raises(EmbeddingError, match="is taken"):
            library.rename("eva", taken)
    with pytest.raises(EmbeddingError, match="cannot be a name"):
        library.rename("eva", "../eva")
    assert library.names == ["Eva", "bia"]


def test_a_card_is_not_renamed(library, tmp_path):
    write_embedding(made("ana"), tmp_path / "ana.png", "png")
    library.reload()
    with pytest.raises(EmbeddingError, match="carries its name inside"):
        library.rename("ana", "eva")


FINDER, KEYBOARD = "joa\u0303o-1", "jo\u00e3o-1"


def test_looks_up_without_regard_to_how_letters_are_composed(library, tmp_path):
    write_embedding(made(FINDER), tmp_path / f"{FINDER}.pt", "a1111-pt")
    library.reload()
    assert library.names == [KEYBOARD]
    assert FINDER in library
    assert library[FINDER] is library[KEYBOARD]
    assert library.path(FINDER) == tmp_path / f"{FINDER}.pt"
    with pytest.raises(EmbeddingError, match="is taken by"):
        library.add(made(KEYBOARD))
    library.add(made(FINDER, value=2.0), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEYBOARD}.safetensors"]
    library.rename(FINDER, KEYBOARD.upper())
    assert library.names == [KEYBOARD.upper()]


def test_all_files_of_a_name_are_known(library, tmp_path):
    first = library.add(made("ana"))
    copy = write_embedding(made("ana"), tmp_path / "old" / "ANA.safetensors")
    misfit = write_embedding(made("ana", width=1024), tmp_path / "sd2" / "ana.pt", "a1111-pt")
    card = write_embedding(made("ana"), tmp_path / "zoe.png", "png")
    library.add(made("bia"))
    assert library.paths("Ana") == [first, copy, misfit, card]
    assert library.paths("eva") == []


def test_whoever_reads_while_it_reloads_sees_everybody(library, tmp_path, monkeypatch):
    """A drawing that began while somebody listed the people was drawn without them, and said nothing."""
    for name in ("ana", "bia"):
        library.add(made(name))
    seen, place = [], EmbeddingLibrary._place

    def looked_at(self, *given):
        seen.append((self.names, len(self), "bia" in self, self.path("bia").name))
        place(self, *given)

    monkeypatch.setattr(EmbeddingLibrary, "_place", looked_at)
    (tmp_path / "ana.safetensors").unlink()
    library.reload()
    assert seen == [(["ana", "bia"], 2, True, "bia.safetensors")]
    assert library.names == ["bia"]
