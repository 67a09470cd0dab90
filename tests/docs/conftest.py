"""The pages as the tests read them: code blocks, and the commands in them."""

import importlib.util
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/training.md",
    "docs/photos.md",
    "docs/embeddings.md",
    "docs/drawing.md",
    "docs/other-programs.md",
)


@dataclass(frozen=True)
class Page:
    """A page for users; `bash` and `python` are its code blocks in order."""

    name: str
    text: str

    @property
    def bash(self) -> list[str]:
        return self._blocks("bash")

    @property
    def python(self) -> list[str]:
        return self._blocks("python")

    @property
    def commands(self) -> list[list[str]]:
        """Gives the words of each line that calls retrato."""
        lines = [shlex.split(line, comments=True) for block in self.bash for line in block.splitlines()]
        return [words[1:] for words in lines if words[:1] == ["retrato"]]

    def _blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param, (ROOT / request.param).read_text("utf-8"))


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
