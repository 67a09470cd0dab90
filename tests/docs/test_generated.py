"""docs/settings.md and docs/cli.md are what the code says now."""

from pathlib import Path
from types import ModuleType

import pytest

from retrato.cli.app import COMMANDS
from retrato.settings import EvaluateSettings, GenerateSettings, PhotoSettings, ServerSettings, TrainSettings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["settings.md", "cli.md"])
def test_the_page_is_not_stale(name: str, generator: ModuleType) -> None:
    assert (DOCS / name).read_text("utf-8") == generator.PAGES[name](), "run `make docs`"


def test_every_setting_has_its_row() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    for kind in (PhotoSettings, TrainSettings, GenerateSettings, ServerSettings, EvaluateSettings):
        for name, field in kind.model_fields.items():
            row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
            assert field.description
            assert field.description.replace("|", "\\|") in page, row


def test_every_command_has_its_section() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    for entry in COMMANDS:
        assert f"\n## retrato {entry.name}\n\n{entry.help}\n" in page
