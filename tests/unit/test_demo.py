from pathlib import Path

import pytest

from retrato.demo import MIXES, NAME, SUBJECTS, DemoFinished, copy_photos, run_demo
from retrato.embeddings import EmbeddingLibrary
from retrato.errors import SettingsError
from retrato.generation import Drawn, read_infotext
from retrato.photos import check_photos
from retrato.training import Finished, Picked, Prepared


def test_the_photos_are_twenty_and_good(tmp_path: Path) -> None:
    copied = copy_photos(tmp_path / "photos")
    assert [path.name for path in copied] == [f"benny-{number:02}.png" for number in range(1, 21)]
    assert check_photos(tmp_path / "photos").verdict != "refused"


def test_a_folder_that_cannot_be_one_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(SettingsError, match="cannot be a folder"):
        copy_photos(tmp_path / "taken" / "photos")


def test_the_demo_draws_every_style_and_two_mixes() -> None:
    assert len(SUBJECTS) == 4
    assert len(MIXES) == 2
    assert all("{}" in each.prompt for each in (*SUBJECTS, *MIXES))


@pytest.fixture(scope="module")
def gone_through(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """The folder of a quick demo on the tiny model, gone through twice, and the second time's events."""
    folder = tmp_path_factory.mktemp("demo")
    list(run_demo(folder / "out", home=folder / "home", model=tiny_folder, quick=True))
    return folder, list(run_demo(folder / "out", home=folder / "home", model=tiny_folder, quick=True))


def test_events_come_in_order_and_pictures_are_counted_through(gone_through: tuple[Path, list[object]]) -> None:
    _, events = gone_through
    kinds = [type(event) for event in events]
    order = [kinds.index(kind) for kind in (Prepared, Picked, Finished, Drawn, DemoFinished)]
    assert order == sorted(order)
    assert kinds[-1] is DemoFinished
    drawn = [event for event in events if isinstance(event, Drawn)]
    assert [event.index for event in drawn] == list(range(9))  # three styles twice, a mix and its parents
    assert {event.count for event in drawn} == {9}


def test_what_it_ends_with_is_on_disk(gone_through: tuple[Path, list[object]]) -> None:
    folder, events = gone_through
    finished = events[-1]
    assert isinstance(finished, DemoFinished)
    assert finished.embedding == folder / "home" / "embeddings" / f"{NAME}.safetensors"
    assert EmbeddingLibrary(folder / "home" / "embeddings").names == [NAME]
    assert finished.report == folder / "out" / "report.html"
    assert finished.seconds > 0
    assert finished.scores == {}  # the tiny model brings no scorer
    assert len(finished.portraits) == 5
    prompts = [(read_infotext(path) or "").partition("\n")[0] for path in finished.portraits]
    assert all(NAME in prompt for prompt in prompts)
    assert f"[{NAME} | panda], 3d emoji style" in prompts
    # The second time replaced the pictures of the first.
    assert set(finished.portraits) == set((folder / "out" / "portraits").iterdir())
    assert len(list((folder / "out" / "photos").iterdir())) == 20


def test_the_report_shows_the_whole_way(gone_through: tuple[Path, list[object]]) -> None:
    folder, _ = gone_through
    page = (folder / "out" / "report.html").read_text()
    for said in (
        "A stranger, learned in",
        "The contact sheet",
        "The same prompts and seeds, before and after",
        "Crossed with something else",
        "How it was learned",
        "There is no curve of likeness",
        "Which one was kept, and why",
        "Times, settings, versions",
        "What the figures mean",
        "How to go on",
    ):
        assert said in page
    assert page.count('class="pair"') == 3
    assert page.count("pencil held") == 2
    assert page.count("pencil kept") == 1
    assert "http" not in page.replace("http-equiv", "")
