"""The contact sheet of a set."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from retrato.photos.check import PhotoReport, PhotoVerdict
from retrato.server.web.photos import report_of
from retrato.server.web.site import Site

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")


def test_each_photo_has_its_verdict_and_its_problems() -> None:
    report = PhotoReport(
        (
            PhotoVerdict(Path("/x/a.png"), "good"),
            PhotoVerdict(Path("/x/<i>.png"), "doubtful", ("blurred: no sharp edge",)),
        ),
        "doubtful",
        ("add some full body pictures",),
    )
    page = report_of(SITE, "ana", report)
    assert "2 fotos, 1 delas boas" in page
    assert 'src="/web/photos/ana/a.png?at=0"' in page
    assert "blurred: no sharp edge" in page
    assert "add some full body pictures" in page
    assert "<i>" not in page
