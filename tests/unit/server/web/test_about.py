"""The head of the page."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from retrato.server.service import Model
from retrato.server.web.about import header_of
from retrato.server.web.site import Site
from retrato.settings import ServerSettings


def test_the_header_names_the_model_that_is_used_now() -> None:
    models = [Model("retrato-mini", "mini", Path("mini")), Model("sharp", "/models/sharp.ckpt", Path("sharp.ckpt"))]
    service: Any = SimpleNamespace(model="mini", models=lambda: models, settings=ServerSettings())
    site = Site(service, "en")
    assert "drawing with retrato-mini" in header_of(site)
    service.model = "/models/sharp.ckpt"
    assert "drawing with sharp<" in header_of(site)
    models.pop()  # its file was removed
    assert "drawing with sharp.ckpt" in header_of(site)


def test_each_language_leads_to_the_others() -> None:
    service: Any = SimpleNamespace(model="mini", models=list, settings=ServerSettings())
    assert '<a href="/pt-br/" lang="pt-BR">' in header_of(Site(service, "en"))
    assert '<a href="/en/" lang="en">' in header_of(Site(service, "pt-BR"))
