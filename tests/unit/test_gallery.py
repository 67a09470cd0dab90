"""The gallery on pictures of one colour: what is found, what is not, and that the files are what counts."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.errors import PhotoError, UnknownError
from retrato.gallery import SCHEMA, Gallery, Picture

TEXT = (
    "{prompt}\nNegative prompt: {negative}\n"
    "Steps: 20, Sampler: {sampler}, CFG scale: 7, Seed: {seed}, Size: 8x8, Model: {model}"
)


def picture_file(home: Path, prompt: str, more: str = "") -> Path:
    """A file in `outputs` whose text says `prompt`, and `more` at its end."""
    text = TEXT.format(prompt=prompt, negative="blurry", sampler="Euler a", seed=1, model="retrato-mini") + more
    notes = PngInfo()
    notes.add_text("parameters", text)
    folder = home / "outputs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{len(list(folder.iterdir())):05}-1.png"
    Image.new("RGB", (8, 8)).save(file, pnginfo=notes)
    return file


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path)
    yield gallery
    gallery.close()


def put(
    gallery: Gallery,
    prompt: str,
    *,
    negative: str = "blurry",
    sampler: str = "Euler a",
    seed: int = 1,
    model: str = "retrato-mini",
    owner: str = "local",
    people: tuple[str, ...] = ("ana-t1",),
) -> Picture:
    folder = gallery.home / "outputs" / "2026-01-01"
    folder.mkdir(parents=True, exist_ok=True)
    notes = PngInfo()
    notes.add_text("parameters", TEXT.format(prompt=prompt, negative=negative, sampler=sampler, seed=seed, model=model))
    file = folder / f"{len(list(folder.iterdir())):05}-{seed}.png"
    Image.new("RGB", (8, 8)).save(file, pnginfo=notes)
    return gallery.add(file, people=people, owner=owner)


def test_one_owners_pictures_are_found_by_an_index_also_in_a_home_that_had_none(tmp_path: Path) -> None:
    """Where others have a hundred thousand, the page must not look through them for one's own."""
    with closing(Gallery(tmp_path)) as gallery:
        gallery._database.execute("DROP INDEX pictures_by_owner")
    with closing(Gallery(tmp_path)) as gallery:
        plan: list[str] = []
        execute = gallery._database.execute
        gallery._database.set_trace_callback(plan.append)
        gallery.search(owner="ana", before=7)
        gallery._database.set_trace_callback(None)
        steps = [row["detail"] for row in execute(f"EXPLAIN QUERY PLAN {plan[-1]}")]
    assert steps[0].startswith("SEARCH pictures USING INDEX pictures_by_owner (owner=?")


def found(pictures: list[Picture]) -> list[str]:
    return [picture.prompt for picture in pictures]


def test_a_picture_says_how_it_was_drawn(gallery: Gallery) -> None:
    picture = gallery.get(put(gallery, "a portrait of ana-t1 in a hat", seed=7).id)
    assert (picture.prompt, picture.negative_prompt, picture.seed) == ("a portrait of ana-t1 in a hat", "blurry", 7)
    assert (picture.model, picture.sampler, picture.width) == ("retrato-mini", "Euler a", 8)
    assert picture.people == ("ana-t1",)
    assert picture.parameters["Steps"] == "20"


def test_words_are_found_from_their_beginning_in_any_case_and_without_accents(gallery: Gallery) -> None:
    put(gallery, "um retrato de Ana, pôr do sol")
    put(gallery, "a dog")
    assert found(gallery.search("POR sol")) == ["um retrato de Ana, pôr do sol"]
    assert found(gallery.search("pô")) == ["um retrato de Ana, pôr do sol"]
    assert gallery.search("trato") == []
    assert len(gallery.search("blurry")) == 2


@pytest.mark.parametrize("words", ['"', "a* OR dog", "NEAR(", "prompt:", "'; DROP TABLE pictures; --", "(", "-", "\0"])
def test_words_are_no_syntax(gallery: Gallery, words: str) -> None:
    put(gallery, "a dog")
    gallery.search(words)
    assert found(gallery.search("dog")) == ["a dog"]


def test_everything_asked_for_must_fit(gallery: Gallery) -> None:
    put(gallery, "ana-t1 with a hat", sampler="LMS")
    put(gallery, "ana-t1 with a cat", model="other")
    put(gallery, "rui with a hat")
    assert found(gallery.search("hat", person="ana-t1")) == ["ana-t1 with a hat"]
    assert found(gallery.search(sampler="LMS")) == ["ana-t1 with a hat"]
    assert found(gallery.search(model="other", sampler="LMS")) == []
    assert gallery.search(person="ana_t1") == []
    assert gallery.search(person="%") == []
    assert gallery.search(until=0) == []
    assert len(gallery.search(since=0)) == 3
    choices = gallery.choices()
    assert choices == {"people": ["ana-t1"], "models": ["other", "retrato-mini"], "samplers": ["Euler a", "LMS"]}


def test_pages_follow_one_another_without_gap_or_repetition(gallery: Gallery) -> None:
    for number in range(7):
        put(gallery, f"number {number}", seed=number)
    pages: list[Picture] = []
    while page := gallery.search("number", limit=3, before=pages[-1].id if pages else None):
        pages += page
    assert found(pages) == [f"number {number}" for number in range(6, -1, -1)]


def test_everybody_sees_their_own(gallery: Gallery) -> None:
    picture = put(gallery, "a dog", owner="ana")
    assert gallery.search("dog", owner="rui") == []
    assert found(gallery.search("dog", owner="ana")) == ["a dog"]
    for ask in (gallery.get, gallery.file, gallery.thumbnail, gallery.remove):
        with pytest.raises(UnknownError):
            ask(picture.id, owner="rui")


def test_scanning_follows_the_folder(gallery: Gallery) -> None:
    kept, gone = put(gallery, "kept"), put(gallery, "gone")
    (gallery.home / gone.file).unlink()
    Image.new("RGB", (9, 8)).save(gallery.home / "outputs" / "new.png")
    (gallery.home / "outputs" / "no-picture.png").write_bytes(b"<script>")
    (gallery.home / "outputs" / "notes.txt").write_text("not looked at")
    assert gallery.scan() == 2
    assert {picture.file for picture in gallery.search()} == {kept.file, "outputs/new.png"}
    assert gallery.search("gone") == []
    assert gallery.scan() == 0


def test_what_is_no_picture_is_refused(gallery: Gallery) -> None:
    file = gallery.home / "x.png"
    file.write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(PhotoError):
        gallery.add(file)


def test_a_thumbnail_holds_nothing_but_pixels(gallery: Gallery) -> None:
    small = Image.open(io.BytesIO(gallery.thumbnail(put(gallery, "secret words").id)))
    assert small.size == (8, 8)
    assert b"secret" not in gallery.thumbnail(1)


def test_removing_takes_file_entry_and_words(gallery: Gallery) -> None:
    picture = put(gallery, "a dog")
    gallery.remove(picture.id)
    assert not (gallery.home / picture.file).exists()
    assert gallery.search("dog") == []
    with pytest.raises(UnknownError, match="there is no picture"):
        gallery.get(picture.id)


@pytest.mark.parametrize(
    "more",
    [
        ', Hires upscale: 2, Hires prompt: "a portrait of Ana-1, red"',
        ', Hires upscale: 2, Hires negative prompt: "one line\\nana-1"',
        ', Script: X/Y/Z plot, X Type: Prompt S/R, X Values: "person,ana-1"',
        ", Hypernet: ana-1, Hypernet strength: 0.5",
        ', TI hashes: "ana-1: 0123456789ab"',
    ],
)
def test_a_person_is_found_in_all_that_a_picture_says(gallery: Gallery, more: str) -> None:
    picture = gallery.add(picture_file(gallery.home, "a portrait of a person", more), people=["ana-1", "rui"])
    assert picture.people == ("ana-1",)
    assert gallery.of_person("ANA-1") == [picture]
    assert gallery.of_person("rui") == []


@pytest.mark.parametrize("word", ["euler", "seed", "steps", "negative", "latent", "prompt", "original"])
def test_the_words_of_the_program_name_nobody(gallery: Gallery, word: str) -> None:
    """Whoever forgets an embedding that is called so would lose all pictures of everybody."""
    more = ", Hires upscale: 2, Hires upscaler: Latent, Hires sampler: Euler, Version: retrato 1.0"
    picture = gallery.add(picture_file(gallery.home, "a portrait of a person", more), people=[word])
    assert picture.people == ()
    assert gallery.of_person(word) == []


def test_a_drive_that_comes_back_has_kept_its_owners(gallery: Gallery) -> None:
    """A server that starts without it must not take its pictures for gone: no file says whose it is."""
    picture = put(gallery, "a dog", owner="ana", people=())
    put(gallery, "a cat", owner="rui", people=("ana-t1",))
    drive, away = gallery.home / "outputs", gallery.home / "away"
    drive.rename(away)
    assert gallery.scan() == 0
    assert gallery.search() == []
    assert gallery.choices() == {"people": [], "models": [], "samplers": []}
    assert gallery.of_person("dog") == [picture], "its words are still in the database"
    drive.mkdir()  # where nothing is mounted
    assert gallery.scan() == 0
    drive.rmdir()
    away.rename(drive)
    assert gallery.scan() == 0
    assert gallery.search(owner="ana") == [picture]
    (gallery.home / picture.file).unlink()
    assert gallery.scan() == 1
    assert found(gallery.search()) == ["a cat"]


def test_a_picture_that_changed_stays_its_owners(gallery: Gallery) -> None:
    picture = put(gallery, "a dog", owner="ana")
    Image.new("RGB", (90, 8), "red").save(gallery.home / picture.file)
    assert gallery.scan() == 1
    assert [each.width for each in gallery.search(owner="ana")] == [90]


def test_no_picture_gets_the_id_of_one_that_was_removed(gallery: Gallery) -> None:
    """A page that still shows the one that was removed would show, and delete, the new one."""
    removed = put(gallery, "the first")
    gallery.remove(removed.id)
    assert put(gallery, "the second").id > removed.id
    gallery.compact()
    gallery.remove(removed.id + 1)
    assert put(gallery, "the third").id > removed.id + 1


def test_a_gallery_of_before_gives_no_id_again_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr("retrato.gallery.SCHEMA", SCHEMA.replace(" AUTOINCREMENT", ""))
        before.setattr("retrato.gallery.LASTING_IDS", "")
        with closing(Gallery(tmp_path)) as old:
            kept, away, removed = (put(old, word) for word in ("kept", "away", "removed"))
            (tmp_path / away.file).rename(tmp_path / "away.png")
            (tmp_path / "outputs" / "2026-01-01").rename(tmp_path / "unmounted")
            assert old.scan() == 0
            (tmp_path / "unmounted").rename(tmp_path / "outputs" / "2026-01-01")
    with closing(Gallery(tmp_path)) as gallery:
        gallery.remove(removed.id)
        assert found(gallery.search("kept")) == []
        assert gallery.get(kept.id).prompt == "kept"
        assert gallery.scan() == 1
        assert found(gallery.search("kept")) == ["kept"]
        assert put(gallery, "new").id > removed.id
    with closing(Gallery(tmp_path)) as gallery:
        assert found(gallery.search()) == ["new", "kept"]


def test_a_page_after_one_whose_last_picture_was_removed_goes_on(gallery: Gallery) -> None:
    pictures = [put(gallery, f"number {number}", seed=number) for number in range(4)]
    gallery.remove(pictures[2].id)
    assert found(gallery.search("number", before=pictures[2].id)) == ["number 1", "number 0"]
    gallery.remove(pictures[0].id)
    assert gallery.search("number", before=pictures[0].id) == []
