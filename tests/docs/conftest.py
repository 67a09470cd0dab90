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
    "docs/vectors.md",
    "docs/hypernetworks.md",
)
GENERATED = ("docs/cli.md", "docs/settings.md", "docs/rest.md")
WRITTEN = tuple(
    name
    for folder in ("", "docs", "benchmarks")
    for path in sorted((ROOT / folder).glob("*.md"))
    if (name := path.relative_to(ROOT).as_posix()) not in (*GENERATED, "CHANGELOG.md", "docs/log.md")
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
        """Gives the words of each line that calls retrato, in the blocks that tests follow."""
        return _calls(self.bash)

    @property
    def shown(self) -> list[list[str]]:
        """Gives the words of each line that calls retrato, also in blocks that are not followed."""
        typed = "\n".join(re.findall(r"^\$ (retrato .*)$", self.text, flags=re.MULTILINE))
        return _calls([*self.bash, *self._blocks(""), typed])

    def _blocks(self, language: str) -> list[str]:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, flags=re.MULTILINE | re.DOTALL)
        return [block for name, block in blocks if name == language]


def _calls(blocks: list[str]) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["retrato"]]


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param, (ROOT / request.param).read_text("utf-8"))


@pytest.fixture(params=WRITTEN)
def any_page(request: pytest.FixtureRequest) -> Page:
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
