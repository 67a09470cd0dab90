"""docs/settings.md, docs/cli.md and docs/rest.md are what the code says now."""

from pathlib import Path
from types import ModuleType

import pytest

from retrato.cli.app import COMMANDS
from retrato.settings import EvaluateSettings, GenerateSettings, PhotoSettings, ServerSettings, TrainSettings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "rest.md"])
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


def test_every_endpoint_and_every_field_stands_in_the_reference(generator: ModuleType) -> None:
    page = (DOCS / "rest.md").read_text("utf-8")
    document = generator._openapi()
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            section = page.partition(f"\n### {method.upper()} {path}\n\n")[2].partition("\n### ")[0]
            assert section.startswith(said["description"]), path
            for parameter in said.get("parameters", []):
                assert f"| `{parameter['name']}` |" in section
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("Settings"):
            section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
            for field in schema.get("properties", {}):
                assert f"| `{field}` |" in section, (name, field)
