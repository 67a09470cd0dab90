import io
import os

import pytest
import torch
from PIL import Image, ImageOps

from retrato.embeddings import FORMATS, Embedding, card_bytes, read_embedding, write_embedding
from retrato.errors import EmbeddingError

ONE = Embedding("ana", (torch.linspace(-0.1, 0.1, 1536).reshape(2, 768),), 3000, "mini", "6ce0161689", {"score": "0.5"})
PAIR = Embedding("ana", (torch.full((2, 768), 0.5), torch.full((2, 1280), -0.25)), 7, "xl", "31e35c80fc", {"a": "b"})


def facts(embedding):
    return (
        embedding.name,
        embedding.step,
        embedding.base_model,
        embedding.base_model_hash,
        embedding.metadata,
        [vectors.tolist() for vectors in embedding.vectors],
    )


@pytest.mark.parametrize("embedding", [ONE, PAIR], ids=["one", "pair"])
@pytest.mark.parametrize("format", FORMATS)
def test_written_is_read_back_the_same_and_gives_the_same_file(format, embedding, tmp_path):
    path = tmp_path / f"ana{FORMATS[format].suffix}"
    assert write_embedding(embedding, path, format) == path
    assert facts(read_embedding(path)) == facts(embedding)
    content = path.read_bytes()
    write_embedding(embedding, path, format)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]


def test_the_file_name_is_the_name_but_for_cards(tmp_path):
    assert read_embedding(write_embedding(ONE, tmp_path / "bia.safetensors")).name == "bia"
    assert read_embedding(write_embedding(ONE, tmp_path / "bia.png", "png")).name == "ana"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".png", ".webp"])
def test_a_good_file_under_another_ending_says_which_it_wants(format, ending, tmp_path):
    right = FORMATS[format].suffix
    if ending == right:
        return
    path = write_embedding(ONE, tmp_path / f"ana{right}", format).rename(tmp_path / f"ana{ending}")
    with pytest.raises(EmbeddingError, match=rf"it is a {right} file under another ending: call it ana{right}$"):
        read_embedding(path)


@pytest.mark.parametrize(("format", "name"), [("pickle", "ana.pt"), ("a1111-pt", "ana.safetensors"), ("png", "ana")])
def test_refuses_to_write_what_would_be_misread(format, name, tmp_path):
    with pytest.raises(EmbeddingError, match=r"there is no embedding format|call it ana\."):
        write_embedding(ONE, tmp_path / name, format)
    assert os.listdir(tmp_path) == []


def test_safetensors_have_the_key_and_the_provenance_that_others_look_for(tmp_path):
    from safetensors import safe_open

    with safe_open(write_embedding(ONE, tmp_path / "ana.safetensors"), "pt") as file:
        assert list(file.keys()) == ["emb_params"]
        assert file.metadata() == {
            "name": "ana",
            "step": "3000",
            "base_model": "mini",
            "base_model_hash": "6ce0161689",
            "score": "0.5",
        }
    with safe_open(write_embedding(ONE, tmp_path / "d.safetensors", "diffusers"), "pt") as file:
        assert list(file.keys()) == ["ana"]
        assert torch.equal(file.get_tensor("ana"), ONE.vectors[0])
    with safe_open(write_embedding(PAIR, tmp_path / "p.safetensors", "diffusers"), "pt") as file:
        assert sorted(file.keys()) == ["clip_g", "clip_l"]
        assert torch.equal(file.get_tensor("clip_g"), PAIR.vectors[1])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ana.txt", b"x", "its ending is no embedding's"),
        ("ana.ckpt", b"x", "its ending is no embedding's"),
        ("ana.pt", b"  <!DOCTYPE html>", "web page"),
        ("ana.safetensors", b"x", "header"),
        ("ana.webp", b"x", "no PNG or WebP"),
    ],
)
def test_refuses_what_is_something_else(name, content, reason, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmbeddingError, match=reason):
        read_embedding(tmp_path / name)


@pytest.mark.parametrize("stem", ["ana (1)", "ana[2]", "(ana)", "ana+rui", "ana's", "ana~1", "anã@home"])
def test_reads_files_called_as_people_and_browsers_call_them(stem, tmp_path):
    for suffix, format in ((".pt", "a1111-pt"), (".safetensors", "safetensors")):
        assert read_embedding(write_embedding(ONE, tmp_path / f"{stem}{suffix}", format)).name == stem


@pytest.mark.parametrize("stem", ["ana|rui", "ana:1", "<ana>", "ana, rui", "ana\\rui", "-ana", "{ana|rui}"])
def test_refuses_a_file_whose_name_cannot_be_a_word(stem, tmp_path):
    for suffix, format in ((".pt", "a1111-pt"), (".safetensors", "safetensors")):
        path = write_embedding(ONE, tmp_path / f"{stem}{suffix}", format)
        with pytest.raises(EmbeddingError, match="cannot be a name"):
            read_embedding(path)


def test_refuses_a_missing_file_a_folder_a_pipe_and_a_giant(tmp_path):
    (tmp_path / "folder.pt").mkdir()
    os.mkfifo(tmp_path / "pipe.pt")
    for name in ("none.pt", "folder.pt", "pipe.pt"):
        with pytest.raises(EmbeddingError, match="there is no such file"):
            read_embedding(tmp_path / name)
    with (tmp_path / "giant.pt").open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(EmbeddingError, match="too large, a model goes elsewhere"):
        read_embedding(tmp_path / "giant.pt")


def test_any_name_of_a_file_is_said_in_one_line(tmp_path):
    (tmp_path / "two\nlines\x1b[31m.pt").write_bytes(b"x")
    for path in (tmp_path / "two\nlines\x1b[31m.pt", tmp_path / f"{'x' * 300}.pt"):
        with pytest.raises(EmbeddingError) as caught:
            read_embedding(path)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300


def recoded(embedding, change, **options):
    """Gives a card of `embedding` whose picture went through `change`, without its text."""
    picture = change(Image.open(io.BytesIO(card_bytes(embedding))).convert("RGB"))
    written = io.BytesIO()
    picture.save(written, **options)
    return written.getvalue()


@pytest.mark.parametrize("embedding", [ONE, PAIR], ids=["one", "pair"])
def test_pixels_alone_are_enough_even_with_a_border_or_as_webp(embedding, tmp_path):
    (tmp_path / "a.png").write_bytes(recoded(embedding, lambda picture: picture, format="PNG"))
    (tmp_path / "b.png").write_bytes(recoded(embedding, lambda picture: ImageOps.expand(picture, 9), format="PNG"))
    (tmp_path / "c.webp").write_bytes(recoded(embedding, lambda picture: picture, format="WEBP", lossless=True))
    for path in tmp_path.iterdir():
        assert facts(read_embedding(path)) == facts(embedding), path.name


def test_a_lossy_card_says_to_get_the_original(tmp_path):
    (tmp_path / "a.webp").write_bytes(recoded(ONE, lambda picture: picture, format="WEBP", quality=90))
    with pytest.raises(EmbeddingError, match="get the original"):
        read_embedding(tmp_path / "a.webp")


def test_a_card_may_show_a_picture_and_nothing_else_may(tmp_path):
    picture = Image.new("RGB", (400, 400), (200, 10, 10))
    path = write_embedding(ONE, tmp_path / "ana.png", "png", picture)
    assert facts(read_embedding(path)) == facts(ONE)
    with Image.open(path) as card:
        red, green, blue = card.convert("RGB").getpixel((card.width // 2, card.height // 2))
    assert (red > 180, green < 30, blue < 30) == (True, True, True)
    with pytest.raises(EmbeddingError, match="holds none: write a card"):
        write_embedding(ONE, tmp_path / "ana.pt", "a1111-pt", picture)
