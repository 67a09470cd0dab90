from pathlib import Path

import pytest

from retrato.errors import PromptError
from retrato.prompts.templates import LARGEST_FILE, TEMPLATES, fill_template, read_templates, template_names

NAMELESS = ("hypernetwork", "none")


def test_lists_without_a_name_are_offered_only_where_none_is_needed() -> None:
    assert set(template_names()) == set(TEMPLATES) - set(NAMELESS)
    assert template_names(needs_name=False) == tuple(TEMPLATES)


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - set(NAMELESS)))
def test_built_in_lists_hold_distinct_prompts(name: str) -> None:
    lines = read_templates(name)
    assert len(set(lines)) == len(lines) > 0
    assert all(line.count("[name]") == 1 for line in lines)
    assert all(("[filewords]" in line) == name.endswith("filewords") for line in lines)
    assert read_templates(f"{name}.txt") == lines


@pytest.mark.parametrize("name", NAMELESS)
def test_lists_for_hypernetworks_teach_an_embedding_nothing(name: str) -> None:
    lines = read_templates(f"{name}.txt", needs_name=False)
    assert len(set(lines)) == len(lines) > 0
    assert not any("[name]" in line for line in lines)
    with pytest.raises(PromptError, match=r"line 1 of .* has no \[name\]"):
        read_templates(name)


def test_a_file_is_read_without_its_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes("\ufeff\n  a photo of [name] \r\n\r\n[name], óleo\n".encode())
    assert read_templates(file) == read_templates(str(file)) == ["a photo of [name]", "[name], óleo"]


def test_a_file_wins_over_a_built_in_list_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("subject.txt").write_text("[name] here")
    assert read_templates("subject.txt") == ["[name] here"]


def test_another_folders_file_that_is_not_there_is_no_built_in_list(tmp_path: Path) -> None:
    assert read_templates("/webui/textual_inversion_templates/style.txt") == read_templates("style")
    with pytest.raises(PromptError, match="there is no template file"):
        read_templates(tmp_path / "style.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"[name]\n\na photo\n", r"line 3 of .* has no \[name\]"),
        (b"\xff\xfe[name]", "cannot be read as a template"),
        (b"[name]" * LARGEST_FILE, "more than 1048576 bytes"),
    ],
)
def test_useless_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(content)
    with pytest.raises(PromptError, match=message):
        read_templates(file)


def test_what_is_not_there_is_refused_with_the_names_that_are(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"there is no template file no_such: .* name_filewords, style"):
        read_templates("no_such")
    with pytest.raises(PromptError, match="cannot be read"):
        read_templates(tmp_path)
    with pytest.raises(PromptError, match="cannot be read"):
        read_templates("a\0b")


def test_fill_template() -> None:
    assert fill_template("a photo of [name], [filewords]", name="ben", filewords="a hat") == "a photo of ben, a hat"
    assert fill_template("a photo of [name], [filewords]", name="ben") == "a photo of ben"
    assert fill_template("[name] [filewords]", name="ben") == "ben"
    assert fill_template("[filewords]", name="ben", filewords="[name] in a hat") == "ben in a hat"
    assert fill_template("[name] [filewords]", name="[filewords]", filewords="a hat") == "[filewords] a hat"


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("close-up, smiling", "a close-up photo of ben, smiling"),
        ("smiling, half body, blue background", "a half body photo of ben, smiling, blue background"),
        ("a full-body photo of a man in a hat, smiling", "a full-body photo of ben, a man in a hat, smiling"),
        ("Close-up photo", "a Close-up photo of ben"),
        ("smiling, portrait", "a photo of ben, smiling, portrait"),
        ("a hat in a close-up", "a photo of ben, a hat in a close-up"),
        ("", "a photo of ben"),
    ],
)
def test_framing_stands_before_the_name_and_only_there(caption: str, prompt: str) -> None:
    assert fill_template("a [framing] photo of [name], [filewords]", name="ben", filewords=caption) == prompt
    assert fill_template("[framing] [name], [filewords]", name="ben").strip() == "ben"
