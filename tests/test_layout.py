"""The house rules that a machine can see: names, docstrings, sizes, and tests that mirror the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "retrato"
MODULES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN = {"utils", "helpers", "common", "misc", "shared", "manager", "base"}
LONGEST = 450  # lines

# Covered by the tests of their neighbours: each says by which.
TESTED_ELSEWHERE: dict[str, str] = {}


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def test_there_are_modules() -> None:
    assert len(MODULES) > 50


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_holds(module: Path) -> None:
    assert module.stem not in FORBIDDEN
    docstring = ast.get_docstring(tree(module)) or ""
    assert docstring.split("\n")[0].endswith((".", ":")), "the first line of the docstring is a sentence"
    assert len(module.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("folder", ["src", "tests", "mini", "benchmarks", "docs"])
def test_no_file_has_a_name_that_says_nothing(folder: str) -> None:
    assert [path for path in (ROOT / folder).rglob("*") if path.stem in FORBIDDEN] == []


def test_layers_import_one_another_by_name_not_through_the_front_door() -> None:
    """import-linter sees `from retrato import Studio` as an import of the root, so it would miss a broken layer."""
    guilty = [
        str(module.relative_to(ROOT))
        for module in MODULES
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.ImportFrom) and node.module == "retrato" and {n.name for n in node.names} - PLAIN)
        or (isinstance(node, ast.Import) and any(name.name == "retrato" for name in node.names))
    ]
    assert guilty == []


PLAIN = {"__version__"}


def test_every_unit_test_has_its_module() -> None:
    unit = ROOT / "tests" / "unit"
    strays = []
    for test in unit.rglob("test_*.py"):
        place = test.relative_to(unit).with_name(test.name.removeprefix("test_"))
        if not (SOURCE / place).exists() and not (SOURCE / place.with_suffix("")).is_dir():
            strays.append(str(place))
    assert strays == []


def test_every_module_is_imported_by_a_test() -> None:
    """Directly, or through a neighbour in the same package that a test imports."""
    untested = []
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    for module in MODULES:
        relative = module.relative_to(SOURCE)
        if (
            module.stem in ("__init__", "__main__")
            or (ROOT / "tests/unit" / relative.with_name(f"test_{relative.name}")).exists()
        ):
            continue
        if not any(f"retrato.{'.'.join(relative.parent.parts)}" in text for text in texts):
            untested.append(str(relative))
    assert untested == []
