"""The cards of the tab with everybody."""

from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from retrato.embeddings import FORMATS, Embedding, EmbeddingLibrary
from retrato.gallery import Gallery
from retrato.hypernetworks import HYPERNETWORK_FORMATS, Hypernetwork, HypernetworkLibrary, Structure
from retrato.hypernetworks.structure import all_shapes
from retrato.jobs import JobQueue
from retrato.server.web.fields import CHOICES
from retrato.server.web.people import _prompt_of_network, cards_of
from retrato.server.web.site import Site


def test_cards_without_pictures_show_what_their_training_drew_and_ask_for_the_jobs_once(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = EmbeddingLibrary(queue.home / "embeddings")
    for name in ("ana", "rui", "eva"):
        library.add(Embedding(name, (torch.ones(1, 768),)))
    job = queue.submit("train", {"name": "ana"})
    queue.claim("cpu")
    candidate = {"step": 7, "is_average": False, "pictures": ["a.png"]}
    scored = queue.record(job.id, "scored", {"candidate": candidate})
    queue.record(job.id, "picked", {"candidate": candidate})
    queue.finish(job.id, "done")
    asked = []
    monkeypatch.setattr(queue, "jobs", lambda jobs=queue.jobs, **said: asked.append(said) or jobs(**said))
    gallery = Gallery(queue.home)
    site = Site(cast("Any", SimpleNamespace(queue=queue, home=queue.home, gallery=gallery)), "pt-BR")
    page = unescape(cards_of(site, library, "local"))
    gallery.close()
    assert f"/web/candidates/{job.id}/{scored.number}/0" in page
    assert page.count('class="face"') == 3
    assert len(asked) == 1
    assert "A1111 de qualquer idade" in page


def test_what_each_format_is_for_is_said_in_portuguese_too() -> None:
    assert {each.description for each in (*FORMATS.values(), *HYPERNETWORK_FORMATS.values())} <= CHOICES.keys()


def test_a_hypernetwork_is_drawn_with_the_words_that_it_was_learned_with(tmp_path: Path) -> None:
    site = Site(cast("Any", SimpleNamespace(home=tmp_path)), "en")
    library = HypernetworkLibrary(tmp_path / "hypernetworks")
    weights = tuple(torch.ones(shape) for shape in all_shapes(Structure(), (8,)))
    library.add(Hypernetwork("ana-h1", (8,), Structure(), weights, metadata={"initializer_text": "old man"}))
    assert _prompt_of_network(site, "ana-h1") == "a portrait of an old man<hypernet:ana-h1:1>"
    assert _prompt_of_network(site, "gone") == "<hypernet:gone:1>"
