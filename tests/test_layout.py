"""The house rules that a machine can see: names, docstrings, sizes, and tests that mirror the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "retrato"
MODULES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN = {"utils", "helpers", "common", "misc", "shared", "manager", "base"}
LONGEST = 450  # lines
UNIT = ROOT / "tests" / "unit"

# What would run code that a file or a request brought, or give a shell what somebody typed.
CALLS = {
    *("eval", "exec", "compile", "__import__", "torch.load", "yaml.load", "pickle.load", "pickle.loads", "os.system"),
    *("os.popen", "gr.load", "gradio.load", "joblib.load", "numpy.load", "np.load"),
}
ARGUMENTS = {"trust_remote_code", "custom_pipeline", "weights_only", "shell", "allow_pickle"}

# Modules without a test file of their own name, and the tests that run them.
TESTED_WITH = {
    "cli": "end_to_end/test_cli.py",
    "database.py": "unit/jobs/test_queue.py",
    "demo.py": "end_to_end/test_cli.py",
    "evaluation/judging.py": "unit/evaluation/test_protocol.py",
    "evaluation/measured.py": "unit/evaluation/test_protocol.py",
    "evaluation/report.py": "unit/evaluation/test_protocol.py",
    "generation/prompt_plan.py": "unit/generation/test_generate.py",
    "generation/sign.py": "unit/generation/test_generate.py",
    "jobs/captioning.py": "unit/server/api/test_sdapi.py",
    "jobs/drawing.py": "unit/jobs/test_work.py",
    "jobs/orders.py": "unit/jobs/test_work.py",
    "jobs/said.py": "unit/jobs/test_work.py",
    "model/components.py": "unit/model/test_load.py",
    "model/device.py": "unit/model/test_load.py",
    "model/families/configs.py": "unit/model/test_single_file.py",
    "model/families/table.py": "unit/model/test_single_file.py",
    "model/folder.py": "unit/model/test_load.py",
    "model/hashes.py": "unit/model/test_single_file.py",
    "model/inpainting.py": "unit/model/test_single_file.py",
    "model/quiet.py": "unit/model/test_load.py",
    "model/weights.py": "unit/model/test_single_file.py",
    "model/vision.py": "unit/model/test_score.py",
    "sampling/course.py": "unit/sampling/test_denoise.py",
    "server": "unit/server",
    "server/web/queue.py": "unit/server/web/test_page.py",
    "training/candidates.py": "unit/training/test_train.py",
    "training/drawing.py": "unit/training/test_pick.py",
    "training/events.py": "unit/training/test_train.py",
    "training/judge.py": "unit/training/test_pick.py",
    "training/prepare.py": "unit/training/test_train.py",
    "training/randomness.py": "unit/training/test_step.py",
    "training/report": "unit/training/report",
    "training/summary.py": "unit/training/test_train.py",
}


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
    """import-linter takes `from retrato import Studio` for an import of the root, so it would miss a broken layer."""
    guilty = [
        str(module.relative_to(ROOT))
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        if node.module == "retrato" and [name.name for name in node.names] != ["__version__"]
    ]
    assert guilty == []


def test_every_unit_test_has_its_module() -> None:
    names = [test.relative_to(UNIT).with_name(test.name.removeprefix("test_")) for test in UNIT.rglob("test_*.py")]
    strays = [name for name in names if not (SOURCE / name).exists() and not (SOURCE / name.with_suffix("")).is_dir()]
    assert strays == []


def test_every_module_has_its_test() -> None:
    names = [module.relative_to(SOURCE) for module in MODULES if not module.stem.startswith("__")]
    without = [name for name in names if not (UNIT / name.with_name(f"test_{name.name}")).exists()]
    places = [{str(name), *map(str, name.parents)} for name in without]
    assert [str(name) for name, place in zip(without, places, strict=True) if not place & TESTED_WITH.keys()] == []


def test_the_list_of_exceptions_is_current() -> None:
    assert [name for name in TESTED_WITH if not (SOURCE / name).exists()] == []
    assert [test for test in TESTED_WITH.values() if not (ROOT / "tests" / test).exists()] == []


def test_nothing_runs_code_that_came_from_elsewhere() -> None:
    found = []
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call):
                said = {ast.unparse(node.func), *(each.arg for each in node.keywords)} & (CALLS | ARGUMENTS)
                found += [f"{module.relative_to(SOURCE)}:{node.lineno} {name}" for name in said]
    assert found == []


def test_calls_that_run_foreign_code_would_be_seen() -> None:
    call = ast.parse("torch.load(file, weights_only=False)", mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.unparse(call.func) in CALLS
    assert call.keywords[0].arg in ARGUMENTS
