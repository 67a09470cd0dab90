from pathlib import Path

import pytest

from retrato.errors import PromptError
from retrato.prompts import Style, StyleFile, apply_styles

FILE = (
    '\ufeffname,prompt,negative_prompt\r\n#remark,,\r\nPixel,"{prompt}, pixel art, 8 bit",photo\r\n'
    'Quality,"masterpiece, ""best""",\r\n\r\nshort\r\n'
)


def file(folder: Path, content: str = FILE) -> StyleFile:
    (folder / "styles.csv").write_bytes(content.encode())
    return StyleFile(folder / "styles.csv")


def test_the_web_uis_file_is_read(tmp_path: Path) -> None:
    assert list(file(tmp_path).read().values()) == [
        Style("Pixel", "{prompt}, pixel art, 8 bit", "photo"),
        Style("Quality", 'masterpiece, "best"'),
        Style("short"),
    ]
    assert file(tmp_path, "name,text\nold,a hat\n").read() == {"old": Style("old", "a hat")}
    assert StyleFile(tmp_path / "absent.csv").read() == {}


def test_saving_keeps_everything_else(tmp_path: Path) -> None:
    styles = file(tmp_path)
    styles.save(Style("Quality", "good\nline", "bad"))
    styles.save(Style("New", "é"))
    assert list(styles.read().values())[1:] == [
        Style("Quality", "good\nline", "bad"),
        Style("short"),
        Style("New", "é"),
    ]
    content = styles.path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\r\n#remark,,\r\n")
    assert "New" not in StyleFile(tmp_path / "styles.csv.bak").read()
    styles.remove("Quality")
    assert list(styles.read()) == ["Pixel", "short", "New"]


@pytest.mark.parametrize("name", ["", " a", "#a"])
def test_names_that_could_not_be_read_back(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match="cannot be a style's name"):
        StyleFile(tmp_path / "styles.csv").save(Style(name))


def test_an_unknown_style_lists_near_names(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="did you mean Pixel"):
        file(tmp_path).find(["pixl", "Quality"])


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "name,prompt\n" + "x" * 200_000])
def test_what_is_no_style_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(PromptError, match=r"styles\.csv cannot be read as styles"):
        file(tmp_path, content).read()
    (tmp_path / "styles.csv").write_bytes(b"name,prompt\n\xff\n")
    with pytest.raises(PromptError):
        StyleFile(tmp_path / "styles.csv").read()


def test_words_are_joined(tmp_path: Path) -> None:
    styles = file(tmp_path).find(["Quality", "Pixel"])
    joined = apply_styles(styles, "a hat", "bad")
    assert joined == ('a hat, masterpiece, "best", pixel art, 8 bit', "bad, photo")
    assert apply_styles(styles, "", "") == ('masterpiece, "best", pixel art, 8 bit', "photo")
