import html
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from retrato.settings import TrainSettings
from retrato.training import TrainingEvent
from retrato.training.report import write_report

VOID = {"img", "link", "meta"}


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether all that is opened is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_the_page_says_what_the_run_holds(finished_run: Callable[..., Path]) -> None:
    folder = finished_run()
    path = write_report(folder)
    assert path == folder / "report.html"
    page = Page(path)
    assert page.open == []
    for said in (
        "1 min 24 s",  # training
        "step 20",
        "All 20 steps are done.",
        "Step 20 scores best.",
        "The same prompts and seeds",
        "a portrait of ana",
        "0.67, the photos being 1",
        "0.3900",  # loss of the first candidate
        "0.5:20 (in mean lengths of the vocabulary's vectors)",
        "An independent verdict.",
        'retrato generate "a portrait of ana" --count 4\n',
        "retrato-mini (weights 0123456789)",
    ):
        assert said in page.text
    assert page.text.count("kept: 20") == 3
    pictures = [attributes for name, attributes in page.elements if name == "img"]
    # Two in the hero, three photos, two pairs, two candidates.
    assert len(pictures) == 2 + 3 + 4 + 2
    assert all(attributes["alt"] for attributes in pictures)
    marks = [attributes["class"] for name, attributes in page.elements if name == "svg" and "class" in attributes]
    assert marks == ["pencil held", "pencil kept"]


def test_without_a_scorer_it_says_so_and_shows_no_scores(finished_run: Callable[..., Path]) -> None:
    page = Page(write_report(finished_run(scored=False)))
    assert "There is no curve of likeness: the model brings no scorer" in page.text
    assert "not scored" in page.text
    assert "Prompt fidelity" not in page.text
    assert "The same prompts and seeds" not in page.text
    # The preview of the kept step in the hero and in the strip, three photos; the other candidate has no picture.
    assert sum(name == "img" for name, _ in page.elements) == 5
    assert page.text.count("no picture") == 1 + len(re.findall("no pictures were compared", page.text))


def test_the_page_asks_nobody_for_anything(finished_run: Callable[..., Path]) -> None:
    path = write_report(finished_run())
    content = path.read_text()
    assert not re.search(r"https?:|url\(|@import|<script|<iframe|srcset", content)
    page = Page(path)
    links = [attributes.get(key) for _, attributes in page.elements for key in ("src", "href") if key in attributes]
    assert links
    assert all(link and link.startswith("data:") for link in links)
    policies = [each["content"] for name, each in page.elements if name == "meta" and "http-equiv" in each]
    assert policies == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]


HOSTILE = "x\"'><script>alert(1)</script><img src=x onerror=alert(1)></style>"


def test_hostile_words_stay_words(finished_run: Callable[..., Path]) -> None:
    folder = finished_run(
        name=HOSTILE,
        pick_reason=HOSTILE,
        stop_reason=HOSTILE,
        model={"name": HOSTILE, "hash": HOSTILE, "device": HOSTILE, "dtype": HOSTILE},
        times={"train": 1.0, HOSTILE: 2.0},
        settings={"name": HOSTILE, "initializer_text": HOSTILE},
        photos=[{"file": f"/{HOSTILE}.png", "caption": HOSTILE, "held_out": False}],
        plan={
            "rates": [[1, 2]],
            "rate_is_relative": False,
            "templates": [HOSTILE],
            "pick": {"prompts": [{"text": f"[name] {HOSTILE}"}]},
        },
    )
    page = Page(write_report(folder))
    assert page.open == []
    assert "script" not in {name for name, _ in page.elements}
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 10


@pytest.mark.usefixtures("everyone_is_compared")
def test_a_real_run_has_a_report(
    run_training: Callable[..., Iterator[TrainingEvent]], quick: TrainSettings, scorer: object, tmp_path: Path
) -> None:
    list(run_training(quick.changed(save_every=6, evaluate_every=6), scorer=scorer))
    page = Page(write_report(tmp_path / "run"))
    assert "ana-t1" in page.text
    assert "Likeness and obedience" in page.text
    assert "MODEL" in page.text  # not the embedded one, so it has to be named
    # The tiny run's photos never were files: their frames are empty, and the page is written all the same.
    assert page.text.count("no picture") == 6


def test_a_page_is_made_again_without_a_trace_of_the_old(finished_run: Callable[..., Path]) -> None:
    folder = finished_run()
    write_report(folder).write_text("old")
    assert "old" not in write_report(folder).read_text()[:20]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("width", ["390px", "1100px"])
def test_the_style_has_both_schemes_and_no_fixed_width(width: str, finished_run: Callable[..., Path]) -> None:
    content = write_report(finished_run()).read_text()
    assert "prefers-color-scheme: dark" in content
    assert "width=device-width" in content
    assert width not in content


def test_a_hypernetworks_report_says_its_tag_its_size_and_its_settings(finished_run: Callable[..., Path]) -> None:
    folder = finished_run(
        kind="hypernetworks",
        subject={"words": "a person", "tag": "<hypernet:ana:1>"},
        vectors=0,
        dim=0,
        numbers=1_234_567,
        settings={"name": "ana", "initializer_text": "person", "layer_structure": "1, 2, 1", "activation": "relu"},
    )
    page = html.unescape(write_report(folder).read_text(encoding="utf-8"))
    assert "1,234,567 numbers" in page
    assert 'retrato generate "a portrait of a person<hypernet:ana:1>" --count 4' in page
    assert "a portrait of a person, comic style<hypernet:ana:1>" in page
    assert "retrato hypernetworks convert" in page
    assert "layer structure" in page
    assert "load_textual_inversion" not in page
