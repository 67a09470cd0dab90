"""After `forget`, no file and no byte in the home folder knows the person."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.embeddings import Embedding, EmbeddingLibrary, write_embedding
from retrato.errors import JobError, QueueError, UnknownError
from retrato.forget import forget
from retrato.gallery import Gallery
from retrato.jobs import JobQueue, order_captions, order_drawing, order_grid, order_preparation, order_training
from retrato.prompts import StyleFile
from retrato.prompts.styles import Style
from retrato.settings import GenerateSettings, PhotoSettings, TrainSettings

NAME = "zoe-t7"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with zoe-t7 in every corner, and rui beside her."""
    home = tmp_path / "home"
    for name in (NAME, "rui"):
        write_embedding(Embedding(name, (torch.ones(1, 8),)), home / "embeddings" / f"{name}.safetensors")
        photos = home / "photos" / "local" / name
        photos.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(photos / f"{name}.png")
        run = home / "textual_inversion" / "2026-01-01" / name
        run.mkdir(parents=True)
        (run / "run.json").write_text(name)
        notes = PngInfo()
        notes.add_text("parameters", f"a portrait of {name}\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1")
        (home / "outputs").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(home / "outputs" / f"{name == NAME:05}-1.png", pnginfo=notes)
    (home / "textual_inversion" / "2026-01-02" / f"{NAME}-2").mkdir(parents=True)
    (home / "textual_inversion" / "2026-01-02" / f"{NAME}9").mkdir(parents=True)
    return home


def test_nothing_of_her_is_left_and_everything_of_others(home: Path) -> None:
    queue, gallery = JobQueue(home), Gallery(home)
    gallery.scan(people=[NAME, "rui"])
    order_training(queue, home / "photos/local" / NAME, TrainSettings(name=NAME))
    job = order_drawing(queue, GenerateSettings(prompt=f"({NAME}:1.1) as a queen"))
    queue.record(job.id, "drawn", {"infotext": f"{NAME} as a queen"})
    other = order_drawing(queue, GenerateSettings(prompt="rui as a king"))
    removed = forget(home, NAME, queue=queue, gallery=gallery)
    assert f"embeddings/{NAME}.safetensors" in removed
    assert f"photos/local/{NAME}" in removed
    assert {"textual_inversion/2026-01-01/zoe-t7", "textual_inversion/2026-01-02/zoe-t7-2"} <= set(removed)
    assert f"job {job.id}" in removed
    assert [each.id for each in queue.jobs()] == [other.id]
    assert [picture.prompt for picture in gallery.search()] == ["a portrait of rui"]
    queue.close()
    gallery.close()
    left = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in left if NAME.encode() in path.read_bytes()] == []
    names = {path.name for path in home.rglob("*") if NAME in path.name}
    assert names == {f"{NAME}9"}  # somebody else
    assert (home / "embeddings" / "rui.safetensors").exists()
    assert (home / "photos" / "local" / "rui" / "rui.png").exists()


def test_no_byte_is_left_while_a_server_has_the_database_open(home: Path) -> None:
    """The name's parts are words of the index, and deleted words are written once more: none may stay."""
    queue, gallery = JobQueue(home), Gallery(home)
    name, sets = "zoequill-t7", home / "photos" / "local"
    for folder in ("zoequillphotos", "zoe-64"):
        (sets / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(sets / folder / "1.png")
    for number in range(30):
        notes = PngInfo()
        notes.add_text("parameters", f"{number}\n{name}, zoequillish\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1")
        file = home / "outputs" / f"{number}.png"
        Image.new("RGB", (8, 8)).save(file, pnginfo=notes)
        gallery.add(file, people=[name])
    order_preparation(queue, sets / "zoequillphotos", sets / "zoe-64", PhotoSettings())
    training = order_training(queue, sets / "zoe-64", TrainSettings(name=name))
    order_captions(queue, [sets / "zoequillphotos" / "1.png"])
    drawing = order_drawing(queue, GenerateSettings(prompt=f"first line\n{name}"))
    styled = order_drawing(queue, GenerateSettings(prompt="nobody", styles=("her",)))
    queue.record(styled.id, "drawn", {"infotext": f"nobody, {name}"})
    queue.cancel(training.id)
    queue.remove(drawing.id)  # its bytes lie in a free page
    forget(home, name, queue=queue, gallery=gallery)
    assert not any((sets / folder).exists() for folder in ("zoequillphotos", "zoe-64"))
    assert queue.jobs() == []
    assert len(gallery.search("rui")) == 1
    for path in home.rglob("*"):
        assert "zoequill" not in path.name
        if path.is_file():
            assert b"zoequill" not in path.read_bytes().lower(), path
    queue.close()
    gallery.close()


def test_photos_outside_the_home_folder_are_originals_and_stay(home: Path, tmp_path: Path) -> None:
    originals = tmp_path / "originals"
    originals.mkdir()
    (originals / "1.jpg").write_bytes(b"")
    queue, gallery = JobQueue(home), Gallery(home)
    order_training(queue, originals, TrainSettings(name=NAME))
    forget(home, NAME, queue=queue, gallery=gallery)
    assert (originals / "1.jpg").exists()


def test_while_she_is_being_learned_nothing_is_removed(home: Path) -> None:
    queue, gallery = JobQueue(home), Gallery(home)
    order_training(queue, home / "photos/local" / NAME, TrainSettings(name=NAME))
    queue.claim("cpu")
    with pytest.raises(QueueError, match="cancel it first"):
        forget(home, NAME, queue=queue, gallery=gallery)
    assert (home / "embeddings" / f"{NAME}.safetensors").exists()


def test_what_others_sent_stays_and_what_they_learn_is_not_disturbed(home: Path) -> None:
    queue, gallery = JobQueue(home), Gallery(home)
    theirs = home / "photos" / "rui" / NAME
    theirs.mkdir(parents=True)
    (theirs / "1.png").write_bytes(b"")
    own = order_training(queue, home / "photos/ana/x", TrainSettings(name=NAME), owner="ana")
    training = order_training(queue, theirs, TrainSettings(name=NAME), owner="rui")
    with pytest.raises(QueueError, match="somebody else's training of zoe-t7 is not over"):
        forget(home, NAME, queue=queue, gallery=gallery, owner="ana")
    assert queue.get(own.id).state == "queued", "nothing is gone yet"
    queue.cancel(training.id)
    removed = forget(home, NAME, queue=queue, gallery=gallery, owner="ana")
    assert f"embeddings/{NAME}.safetensors" in removed
    assert (theirs / "1.png").exists()
    assert queue.get(training.id).owner == "rui"
    with pytest.raises(UnknownError, match="there is nothing about"):
        forget(home, NAME, queue=queue, gallery=gallery, owner="ana")


@pytest.mark.parametrize("root", ["home", "zoe-t7/home"])
def test_who_is_called_like_a_folder_on_the_way_takes_nobody_along(home: Path, root: str) -> None:
    """An account, or the user of the whole machine, may be called like one of the people learned."""
    moved = home.parent.parent / root
    moved.parent.mkdir(parents=True, exist_ok=True)
    home.rename(moved)
    sets = moved / "photos" / NAME
    for folder in (NAME, "rui"):
        (sets / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(sets / folder / "1.png")
    queue, gallery = JobQueue(moved), Gallery(moved)
    rui = order_training(queue, sets / "rui", TrainSettings(name="rui"), owner=NAME)
    order_training(queue, sets / NAME, TrainSettings(name=NAME), owner=NAME)
    picture = str(moved / "uploads" / "1.png")
    drawn = order_drawing(queue, GenerateSettings(prompt="rui", init_image=picture), owner=NAME)
    captions = order_captions(queue, [sets / "rui" / "1.png"], owner=NAME)
    told = {"photos": [f"photos/{NAME}/rui/1.png"], "captions": {f"photos/{NAME}/rui/1.png": "a person"}}
    queue.record(rui.id, "prepared", {**told, "run_folder": "textual_inversion/2026-01-01/rui"})
    queue.claim("cpu")
    queue.finish(rui.id, "failed", error=f"photos/{NAME}/rui/1.png is no picture")
    removed = forget(moved, NAME, queue=queue, gallery=gallery, owner=NAME)
    assert f"photos/{NAME}/{NAME}" in removed
    assert (sets / "rui" / "1.png").exists()
    assert {job.id for job in queue.jobs()} == {rui.id, drawn.id, captions.id}


@pytest.mark.parametrize("word", ["person", "portrait", "Euler", "local", "a", "retrato"])
def test_an_ordinary_word_is_nobody(home: Path, word: str) -> None:
    """Every training starts from "person", and every prompt has words."""
    queue, gallery = JobQueue(home), Gallery(home)
    gallery.scan(people=[NAME, "rui"])
    order_training(queue, home / "photos/local/rui", TrainSettings(name="rui"))
    order_drawing(queue, GenerateSettings(prompt="a portrait of a person", sampler="Euler"))
    before = sorted(home.rglob("*"))
    with pytest.raises(UnknownError, match="there is nothing about"):
        forget(home, word, queue=queue, gallery=gallery)
    assert len(queue.jobs()) == 2
    assert sorted(home.rglob("*")) == before


def test_one_that_runs_is_seen_before_another_is_gone(home: Path) -> None:
    queue, gallery = JobQueue(home), Gallery(home)
    done = order_training(queue, home / "photos/local" / NAME, TrainSettings(name=NAME))
    queue.cancel(done.id)
    order_training(queue, home / "photos/local" / NAME, TrainSettings(name="queen-1"))
    queue.claim("cpu")
    with pytest.raises(QueueError, match="is running: cancel it first"):
        forget(home, NAME, queue=queue, gallery=gallery)
    assert queue.get(done.id).state == "cancelled"


def test_photos_are_known_from_the_run_when_its_job_is_gone(home: Path) -> None:
    photos = home / "photos" / "local" / "holidays"
    photos.mkdir()
    Image.new("RGB", (8, 8)).save(photos / "1.png")
    run = home / "textual_inversion" / "2026-01-01" / NAME
    said = {"settings": {"name": NAME}, "photos": [{"file": str(photos / "1.png")}]}
    (run / "settings-2026-01-01.json").write_text(json.dumps(said))
    removed = forget(home, NAME, queue=JobQueue(home), gallery=Gallery(home))
    assert "photos/local/holidays" in removed
    assert not photos.exists()


def test_who_was_renamed_is_forgotten_under_both_names(home: Path) -> None:
    """Unless somebody else has the former one by now."""
    vectors = Embedding(NAME, (torch.full((1, 8), 2.0),))
    write_embedding(vectors, home / "embeddings" / f"{NAME}.safetensors")
    write_embedding(vectors, home / "textual_inversion" / "2026-01-01" / NAME / f"{NAME}.safetensors")
    EmbeddingLibrary(home / "embeddings").rename(NAME, "maria-1")
    queue, gallery = JobQueue(home), Gallery(home)
    removed = forget(home, "maria-1", queue=queue, gallery=gallery)
    assert {"embeddings/maria-1.safetensors", f"photos/local/{NAME}", f"textual_inversion/2026-01-01/{NAME}"} <= set(
        removed
    )
    assert "outputs/00001-1.png" in removed
    assert (home / "embeddings" / "rui.safetensors").exists()


def test_who_has_a_name_that_somebody_had_before_keeps_what_is_theirs(home: Path) -> None:
    vectors = Embedding(NAME, (torch.full((1, 8), 2.0),))
    write_embedding(vectors, home / "textual_inversion" / "2026-01-01" / NAME / f"{NAME}.safetensors")
    write_embedding(dataclasses.replace(vectors, name="maria-1"), home / "embeddings" / "maria-1.safetensors")
    removed = forget(home, "maria-1", queue=JobQueue(home), gallery=Gallery(home))
    assert removed == ["embeddings/maria-1.safetensors"]


def test_people_whose_names_begin_like_hers_keep_theirs(home: Path) -> None:
    """`zoe-t7-2` may be her second run, and may be somebody's name; so may `zoe-t7.b`."""
    day = home / "textual_inversion" / "2026-01-03"
    for name, person in ((NAME, NAME), (f"{NAME}-2", NAME), (f"{NAME}-3", f"{NAME}-3")):
        (day / name).mkdir(parents=True)
        (day / name / "settings-1.json").write_text(json.dumps({"settings": {"name": person}}))
    for file in (f"{NAME}.b.safetensors", f"{NAME}.preview.png", f"{NAME}.pt.optim"):
        (home / "embeddings" / file).write_bytes(b"")
    removed = forget(home, NAME, queue=JobQueue(home), gallery=Gallery(home))
    assert [path.name for path in day.iterdir()] == [f"{NAME}-3"]
    assert [path.name for path in (home / "embeddings").glob(f"{NAME}*")] == [f"{NAME}.b.safetensors"]
    assert {f"embeddings/{NAME}.preview.png", f"embeddings/{NAME}.pt.optim"} <= set(removed)


def test_somebody_unknown_is_said_to_be(home: Path) -> None:
    with pytest.raises(UnknownError, match="there is nothing about 'eva'"):
        forget(home, "eva", queue=JobQueue(home), gallery=Gallery(home))


@pytest.mark.parametrize(
    ("kept", "asked"),
    [("ana-1", "ANA-1"), ("Ana-1", "ana-1"), ("joa\u0303o-1", "jo\u00e3o-1"), ("jo\u00e3o-1", "joa\u0303o-1")],
)
def test_a_name_is_the_same_person_however_it_is_spelled(home: Path, kept: str, asked: str) -> None:
    """As it is for the library and for prompts; folders tell spellings apart, and Finder decomposes letters."""
    write_embedding(Embedding(kept, (torch.zeros(1, 8),)), home / "embeddings" / f"{kept}.safetensors")
    (home / "embeddings" / f"{kept}.preview.png").write_bytes(b"")
    photos, day = home / "photos" / "local" / kept, home / "textual_inversion" / "2026-02-01"
    photos.mkdir()
    (photos / "1.png").write_bytes(b"")
    for run in (kept, f"{kept}-2"):
        (day / run).mkdir(parents=True)
        (day / run / "settings-1.json").write_text(json.dumps({"settings": {"name": kept}}))
        (day / run / "report.html").write_text("her photos")
    notes = PngInfo()
    notes.add_text("parameters", f"a portrait of {kept}\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1")
    Image.new("RGB", (8, 8)).save(home / "outputs" / "hers.png", pnginfo=notes)
    queue, gallery = JobQueue(home), Gallery(home)
    queue.submit("train", {"name": kept})
    queue.submit("draw", {"prompt": f"{kept} as a queen"})
    removed = forget(home, asked, queue=queue, gallery=gallery)
    assert queue.jobs() == []
    assert {"outputs/hers.png", f"photos/local/{kept}", f"textual_inversion/2026-02-01/{kept}-2"} <= set(removed)
    assert [path for path in home.rglob("*") if path.stem.startswith((kept, asked, "hers"))] == []
    assert (home / "embeddings" / "rui.safetensors").exists()
    with pytest.raises(UnknownError, match="there is nothing about"):
        forget(home, kept, queue=queue, gallery=gallery)


def test_others_who_learn_her_under_another_spelling_are_not_disturbed(home: Path) -> None:
    queue = JobQueue(home)
    queue.submit("train", {"name": NAME.upper()}, owner="rui")
    with pytest.raises(QueueError, match="somebody else's training"):
        forget(home, NAME, queue=queue, gallery=Gallery(home), owner="ana")


def test_a_copy_in_a_sub_folder_does_not_take_her_place(home: Path) -> None:
    folder = home / "embeddings"
    copies = [folder / "old" / f"{NAME}.safetensors", folder / "old" / "deep" / f"{NAME.upper()}.safetensors"]
    for copy in copies:
        write_embedding(Embedding(copy.stem, (torch.zeros(1, 8),)), copy)
    write_embedding(Embedding(NAME, (torch.zeros(1, 8),)), folder / "cards" / "x.png", "png")
    (folder / "old" / f"{NAME}.pt").write_bytes(b"damaged")
    (home / "hypernetworks" / "old").mkdir(parents=True)
    (home / "hypernetworks" / "old" / f"{NAME}.pt").write_bytes(b"")
    (folder / "old" / f"{NAME}-2.pt").write_bytes(b"somebody else")
    removed = forget(home, NAME, queue=JobQueue(home), gallery=Gallery(home))
    assert {f"embeddings/old/{NAME}.safetensors", "embeddings/cards/x.png"} <= set(removed)
    assert EmbeddingLibrary(folder).names == ["rui"]
    left = {path.name for place in ("embeddings", "hypernetworks") for path in (home / place).rglob("*.*")}
    assert left == {"rui.safetensors", f"{NAME}-2.pt"}


def test_where_the_library_lies_elsewhere_it_says_so(home: Path, tmp_path: Path) -> None:
    """A1111's folder of embeddings, linked into the home folder."""
    (home / "embeddings").rename(tmp_path / "webui")
    (home / "embeddings").symlink_to(tmp_path / "webui")
    assert f"embeddings/{NAME}.safetensors" in forget(home, NAME, queue=JobQueue(home), gallery=Gallery(home))
    assert not (tmp_path / "webui" / f"{NAME}.safetensors").exists()


def test_sheets_that_show_her_go(home: Path) -> None:
    """Their text begins with that of the first picture; older ones say no more, and then the job knows."""
    text = "a portrait of person\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1"
    texts = {
        "grid-0000.png": f'{text}, Script: X/Y/Z plot, X Type: Prompt S/R, X Values: "person,{NAME}"',
        "grid-0001.png": text,
        "grid-0002.png": text,
        "hires.png": f'{text}, Hires upscale: 2, Hires prompt: "{NAME}, red"',
    }
    for name, said in texts.items():
        notes = PngInfo()
        notes.add_text("parameters", said)
        Image.new("RGB", (8, 8)).save(home / "outputs" / name, pnginfo=notes)
    queue, gallery = JobQueue(home), Gallery(home)
    for axis, sheet in ((f"Prompt S/R=person,{NAME}", "grid-0001.png"), ("Prompt S/R=person,rui", "grid-0002.png")):
        job = order_grid(queue, GenerateSettings(prompt="a portrait of person"), [axis])
        queue.record(job.id, "sheet", {"file": f"outputs/{sheet}", "infotext": text})
    removed = forget(home, NAME, queue=queue, gallery=gallery)
    assert {f"outputs/{name}" for name in ("grid-0000.png", "grid-0001.png", "hires.png")} <= set(removed)
    assert {path.name for path in (home / "outputs").iterdir()} == {"00000-1.png", "grid-0002.png"}


def test_pictures_that_are_entered_meanwhile_are_whose_they_are(home: Path) -> None:
    """Drawn for rui by a process that was killed before the gallery had it: ana may not remove it."""
    notes = PngInfo()
    notes.add_text("parameters", f"{NAME} and rui\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1")
    Image.new("RGB", (8, 8)).save(home / "outputs" / "his.png", pnginfo=notes)
    queue, gallery = JobQueue(home), Gallery(home)
    queue.record(
        order_drawing(queue, GenerateSettings(prompt="x"), owner="rui").id, "drawn", {"file": "outputs/his.png"}
    )
    forget(home, NAME, queue=queue, gallery=gallery, owner="local")
    assert [each.file for each in gallery.search(owner="rui")] == ["outputs/his.png"]


def test_what_was_dropped_on_the_page_goes(home: Path) -> None:
    page = home / "uploads" / "page"
    (page / "0a1b").mkdir(parents=True)
    for file in (page / "0a1b" / "IMG_1.jpg", page / "left.png"):
        file.write_bytes(b"her")
    queue, gallery = JobQueue(home), Gallery(home)
    with pytest.raises(UnknownError):
        forget(home, "eva", queue=queue, gallery=gallery)
    assert (page / "left.png").exists()
    assert "uploads/page" in forget(home, NAME, queue=queue, gallery=gallery)
    assert list(page.iterdir()) == []
    assert "uploads/page" not in forget(home, "rui", queue=queue, gallery=gallery)


def test_what_was_sent_to_be_drawn_over_or_described_goes_unless_somebody_needs_it(home: Path) -> None:
    """Pictures that were described or dropped do not say whom they show."""
    uploads = home / "uploads"
    uploads.mkdir()
    names = ("drawn-over", "mask", "described", "dropped", "of-ruis-job", "described-for-rui")
    files = {name: uploads / f"{name}.png" for name in names}
    for file in files.values():
        file.write_bytes(b"")
    queue, gallery = JobQueue(home), Gallery(home)
    hers = {"init_image": str(files["drawn-over"]), "mask": str(files["mask"])}
    order_drawing(queue, GenerateSettings(prompt=NAME, **hers))
    order_captions(queue, [files["described"]])
    queue.claim("cpu")
    queue.finish(queue.jobs(states=("running",))[0].id, "cancelled")
    queue.claim("cpu")
    queue.finish(queue.jobs(states=("running",))[0].id, "done")
    order_drawing(queue, GenerateSettings(prompt="rui", init_image=str(files["of-ruis-job"])), owner="rui")
    order_captions(queue, [files["described-for-rui"]], owner="rui")
    removed = forget(home, NAME, queue=queue, gallery=gallery)
    assert {path.stem for path in uploads.glob("*.png")} == {"of-ruis-job", "described-for-rui"}
    assert {f"uploads/{name}.png" for name in names[:4]} <= set(removed)


def test_what_others_have_just_sent_stays(home: Path) -> None:
    """Between sending and ordering no job needs it."""
    (home / "uploads" / "page").mkdir(parents=True)
    own, others, page = (home / "uploads" / name for name in ("own.png", "others.png", "page/others.png"))
    for file in (own, others, page):
        file.write_bytes(b"")
    queue, gallery = JobQueue(home), Gallery(home)
    order_drawing(queue, GenerateSettings(prompt=NAME, init_image=str(own)), owner="ana")
    assert "uploads/own.png" in forget(home, NAME, queue=queue, gallery=gallery, owner="ana")
    assert [file.exists() for file in (own, others, page)] == [False, True, True]


def test_styles_that_name_her_go_and_so_does_the_file_before(home: Path) -> None:
    styles, rows = StyleFile(home / "styles.csv"), f"Oil,in oil,\nQueen,{{prompt}} beside {NAME},\n# for {NAME},,\n"
    styles.path.write_text(f"name,prompt,negative_prompt\n{rows}", "utf-8")
    styles.save(Style("Ink", "in ink"))
    queue, gallery = JobQueue(home), Gallery(home)
    assert "style Queen" in forget(home, NAME, queue=queue, gallery=gallery)
    assert list(styles.read()) == ["Oil", "Ink"]
    assert NAME.encode() not in b"".join(path.read_bytes() for path in home.glob("styles.csv*"))


def test_what_others_learned_stays(home: Path) -> None:
    """A report holds the photos that were learned from. Who began a run its job says, or where its photos lie."""
    day = home / "textual_inversion" / "2026-03-01"
    queue, gallery = JobQueue(home), Gallery(home)
    for number, (owner, knows) in enumerate((("ana", "job"), ("rui", "job"), ("ana", "photos"), ("rui", "photos")), 1):
        run = day / (NAME if number == 1 else f"{NAME}-{number}")
        run.mkdir(parents=True)
        (run / "report.html").write_text("photos")
        photo = f"../../../photos/{owner}/x/1.png" if knows == "photos" else "/photos/x/1.png"
        (run / "settings-1.json").write_text(json.dumps({"settings": {"name": NAME}, "photos": [{"file": photo}]}))
        if knows == "job":
            job = order_training(queue, home / "originals", TrainSettings(name=NAME), owner=owner)
            queue.record(job.id, "prepared", {"run_folder": run.relative_to(home).as_posix()})
            queue.cancel(job.id)
    forget(home, NAME, queue=queue, gallery=gallery, owner="ana")
    assert {run.name for run in day.iterdir()} == {f"{NAME}-2", f"{NAME}-4"}
    assert (home / "textual_inversion" / "2026-01-01" / NAME).exists()  # of the command line, so `local`'s
    assert [job.owner for job in queue.jobs()] == ["rui"]
    forget(home, NAME, queue=queue, gallery=gallery, owner="local")
    assert not (home / "textual_inversion" / "2026-01-01" / NAME).exists()
    assert {run.name for run in day.iterdir()} == {f"{NAME}-2", f"{NAME}-4"}
    forget(home, NAME, queue=queue, gallery=gallery)  # whoever has the machine
    assert list(day.iterdir()) == []


REMOVALS = (
    *(
        "photos/local/holidays",
        "photos/local/zoe-64",
        "photos/local/zoe-t7",
        "photos/local/zoo",
        "outputs/00001-1.png",
        "uploads/1.png",
    ),
    *("textual_inversion/2026-01-01/zoe-t7/report.html", "textual_inversion/2026-01-01/zoe-t7", "jobs/"),
    *("embeddings/maria-1.safetensors", "database"),
)


@pytest.mark.parametrize("stuck", REMOVALS)
def test_after_a_removal_that_failed_another_one_finds_the_rest(
    home: Path, stuck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows removes no file that somebody has open. Everything here is found by its job, or by a former name."""
    sets, run = home / "photos" / "local", home / "textual_inversion" / "2026-01-01" / NAME
    for name in ("holidays", "zoe-64", "zoo"):
        (sets / name).mkdir()
        (sets / name / "1.png").write_bytes(b"")
    vectors = Embedding(NAME, (torch.full((1, 8), 2.0),))
    write_embedding(vectors, home / "embeddings" / f"{NAME}.safetensors")
    write_embedding(vectors, run / f"{NAME}.safetensors")
    (run / "report.html").write_text("her photos")
    (run / "images").mkdir()
    EmbeddingLibrary(home / "embeddings").rename(NAME, "maria-1")
    queue, gallery = JobQueue(home), Gallery(home)
    (home / "uploads").mkdir()
    (picture := home / "uploads" / "1.png").write_bytes(b"")
    order_preparation(queue, sets / "holidays", sets / "zoe-64", PhotoSettings())
    order_preparation(queue, sets / NAME, sets / "zoo", PhotoSettings())
    order_training(queue, sets / "zoe-64", TrainSettings(name=NAME))
    drawing = order_drawing(queue, GenerateSettings(prompt=NAME, init_image=str(picture)), keep=False)
    (home / "jobs" / drawing.id).mkdir(parents=True)
    (home / "jobs" / drawing.id / "1.png").write_bytes(b"")
    rmtree, unlink, compact = shutil.rmtree, Path.unlink, Gallery.compact

    def refuse(path: Path) -> None:
        name = path.relative_to(home).as_posix() if path.is_relative_to(home) else ""
        if name == stuck or (stuck.endswith("/") and name.startswith(stuck)):
            raise PermissionError(13, "it is open", str(path))

    def stuck_rmtree(path: Path, **options: bool) -> None:
        refuse(path)
        rmtree(path, **options)

    def stuck_unlink(path: Path, missing_ok: bool = False) -> None:
        refuse(path)
        unlink(path, missing_ok=missing_ok)

    def full(gallery: Gallery) -> None:
        if stuck == "database":
            raise OSError(28, "the disk is full")
        compact(gallery)

    with monkeypatch.context() as patched:
        patched.setattr("retrato.forget.shutil.rmtree", stuck_rmtree)
        patched.setattr(Path, "unlink", stuck_unlink)
        patched.setattr(Gallery, "compact", full)
        said = "a file" if stuck == "database" else stuck
        with pytest.raises(JobError, match=f"{said}.* cannot be removed .*: .*forget maria-1 once more"):
            forget(home, "maria-1", queue=queue, gallery=gallery)
    assert not any(job.state == "queued" for job in queue.jobs()), "nobody begins one of them meanwhile"
    forget(home, "maria-1", queue=queue, gallery=gallery)
    assert queue.jobs() == []
    assert {path.name for path in sets.iterdir()} == {"rui"}
    assert not [path for path in home.rglob("*") if path.stem in (NAME, f"{NAME}-2", "maria-1", drawing.id)]
    assert [path.name for path in (home / "outputs").iterdir()] == ["00000-1.png"]
    assert not picture.exists()
