"""Which language a browser gets, and markup that lets nobody's text in as markup."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.jobs import JobQueue, order_drawing
from retrato.server.web.site import Site, bar, button, choose_language, empty, job_of, path_of, problem
from retrato.settings import GenerateSettings


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("pt", "pt-BR"),
        ("en-GB, pt;q=0.5", "en"),
        ("pt;q=0.3, en;q=0.7", "en"),
        ("de, fr;q=0.9, pt;q=0.1", "pt-BR"),
        ("de", "en"),
        ("*;q=x, ;;,pt-PT", "pt-BR"),
    ],
)
def test_the_language_follows_the_browser(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


def test_each_language_has_its_own_place() -> None:
    assert path_of("pt-BR") == "/pt-br"


def test_what_others_wrote_stays_text() -> None:
    hostile = '"><script>alert(1)</script>'
    for html in (
        problem(hostile, hostile),
        empty(hostile, hostile),
        button(hostile, hostile, hostile),
        bar(0.5, hostile),
    ):
        assert "<script" not in html
        assert "alert(1)" in html


def test_a_job_is_its_owners_and_one_that_is_gone_is_none(queue: JobQueue) -> None:
    site = Site(cast("Any", SimpleNamespace(queue=queue)), "en")
    job = order_drawing(queue, GenerateSettings(prompt="a cat"), owner="ana")
    assert job_of(site, job.id, "ana") == job
    assert job_of(site, job.id, "bert") is None
    assert job_of(site, "none", "ana") is None
