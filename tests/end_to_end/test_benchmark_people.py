"""The benchmarks that learn people run from the first picture to the table, on a model that learns nothing much."""

import dataclasses
import functools
import importlib
import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import hypernetworks, identities, levers, likeness, regret, sealed, train_many
from mini.people import held_out_identities
from retrato.evaluation.prompts import read_prompts
from retrato.model.load import model_path
from retrato.training import HYPERNETWORK_RECIPES, RECIPES

JUDGE = Path(__file__).parents[2] / "mini/judge.safetensors"
PEOPLE = held_out_identities(2)


@pytest.fixture(scope="module")
def judged_model(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' tiny model with mini's scorer and captioner beside it."""
    folder = tmp_path_factory.mktemp("judged") / "tiny"
    shutil.copytree(tiny_folder, folder)
    for part in ("scorer", "captioner"):
        (folder / part).symlink_to(model_path("mini") / part)
    return folder


@pytest.fixture(scope="module")
def bench(judged_model: Path, tmp_path_factory: pytest.TempPathFactory) -> levers.Bench:
    """Two people with their photos, and what their six pictures are compared with."""
    return levers.Bench.open(str(judged_model), JUDGE, tmp_path_factory.mktemp("bench"), 6, PEOPLE)


@pytest.fixture(autouse=True)
def _few_people_pictures_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (likeness, hypernetworks):
        monkeypatch.setattr(module, "held_out_identities", lambda _: PEOPLE)
        monkeypatch.setattr(module, "galleries", functools.partial(likeness.galleries, pictures=1))
    for name, recipes in (("RECIPES", RECIPES), ("HYPERNETWORK_RECIPES", HYPERNETWORK_RECIPES)):
        quick = dataclasses.replace(
            recipes["retrato"], steps=4, extra_steps=0, batch_size=2, evaluate_every=2, save_every=2,
            evaluation_pairs=4, pick=dataclasses.replace(recipes["retrato"].pick, rounds=(2,), steps=2),
        )  # fmt: skip
        monkeypatch.setattr(f"retrato.training.prepare.{name}", {"retrato": quick})


def run(module: Any, monkeypatch: pytest.MonkeyPatch, out: Path, *told: object) -> None:
    """Runs a benchmark as its command does."""
    monkeypatch.setattr(sys, "argv", [module.__name__, "--out", *map(str, (out, *told))])
    module.main()


def ran(module: Any, monkeypatch: pytest.MonkeyPatch, out: Path, *told: object) -> list[dict[str, Any]]:
    """Runs a benchmark; gives the lines that it left in the file `out`."""
    run(module, monkeypatch, out, *told)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_bench_has_the_class_word_and_fresh_renders_to_compare_with(bench: levers.Bench) -> None:
    assert len(bench.class_pictures) == len(bench.floor) == 6
    assert [tuple(shelf.shape) for shelf in bench.shelves.values()] == [(2, 128)] * 4
    assert min(bench.ceilings) > 0.5
    judged = bench.judged(0, bench.class_pictures)
    assert judged["identity"] == pytest.approx(0, abs=1e-4)
    assert judged["prompt_fidelity"] == pytest.approx(1, abs=1e-4)


def test_levers_are_measured_on_the_same_people(
    bench: levers.Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(levers.Bench, "open", lambda *_: bench)
    names = ["norm_cap=2,batch_size=2", "use_mask=True,average_over=2"]
    lines = ran(levers, monkeypatch, tmp_path / "levers.jsonl", "--people", 1, "--samples", 4, *names)
    assert [line["lever"] for line in lines] == names
    for line in lines:
        assert line["samples"] == line["stopped_at"] == 4
        assert all(math.isfinite(line[name]) for name in ("identity", "rank1", "prompt_fidelity", "harmonic", "loss"))
    capsys.readouterr()
    ran(levers, monkeypatch, tmp_path / "levers.jsonl", "--table")
    said = capsys.readouterr().out
    assert all(f"| `{name}` | 1 |" in said for name in names)


def test_every_checkpoint_is_judged_and_its_regret_told(
    bench: levers.Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(levers.Bench, "open", lambda *_: bench)
    (line,) = ran(regret, monkeypatch, tmp_path / "regret.jsonl", "--people", 1, "--cells", 6)
    assert [each["step"] for each in line["candidates"] if not each["is_average"]] == [2, 4]
    said = capsys.readouterr().out
    assert "1 trainings of 1 people" in said
    assert "| pick | 1 |" in said
    (line,) = ran(regret, monkeypatch, tmp_path / "picked.jsonl", "--people", 1, "--cells", 6, "--only-picked")
    assert len(line["candidates"]) == 1


def test_it_is_counted_how_often_a_learned_person_is_recognised(
    judged_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ("--people", 1, "--per-prompt", 1, "--judge", JUDGE, "--model", judged_model)
    (line,) = ran(likeness, monkeypatch, tmp_path / "likeness.jsonl", *told, "--sheet", tmp_path / "sheets")
    assert {who: [len(hits) for hits in found.values()] for who, found in line["hits"].items()} == {
        who: [2, 1, 1, 1] for who in ("person", "class word")
    }
    assert line["picked_step"] in (2, 4)
    assert (tmp_path / "sheets/0.png").is_file()


def test_embedding_and_hypernetwork_are_learned_of_the_same_person(
    judged_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hypernetworks, "ELSEWHERE", hypernetworks.ELSEWHERE[:2])
    told = ("--people", 1, "--per-prompt", 1, "--steps", 2, "--judge", JUDGE, "--model", judged_model)
    lines = ran(hypernetworks, monkeypatch, tmp_path / "networks.jsonl", *told, "--sheet", tmp_path / "sheet.png")
    assert [line["way"] for line in lines] == ["class word", "embedding", "hypernetwork"]
    assert [line["picked_step"] for line in lines] == [None, 2, 2]
    assert lines[1]["bytes"] < lines[2]["bytes"]
    assert (tmp_path / "sheet.png").is_file()


def test_many_people_in_one_batch_are_timed_beside_one_alone(
    tiny_folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("--model", tiny_folder, "--photos", photos, "--people", "1,2", "--steps", 1, "--batch-size", 2)
    monkeypatch.setattr(sys, "argv", ["train_many", *map(str, told)])
    train_many.main()
    people = json.loads(capsys.readouterr().out.splitlines()[-1])["people"]
    assert list(people) == ["1 alone", "1 together", "2 together"]
    assert all(figures["per_cpu_second"] > 0 for figures in people.values())


def test_the_best_checkpoint_of_a_training_is_judged_by_all_pictures(
    judged_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = importlib.import_module("retrato.training.prepare").RECIPES
    few = read_prompts(None)[:3]
    for name, less in (("RECIPES", quick), ("CURVE_CELLS", 2), ("WEIGHTS", (1.0,)), ("read_prompts", lambda _: few)):
        monkeypatch.setattr(f"retrato.evaluation.protocol.{name}", less)
    run(identities, monkeypatch, tmp_path / "people", "--people", 2, "--seed", 1)
    told = (tmp_path / "people", "--recipes", "retrato", "--per-prompt", 1, "--judge", JUDGE, "--model", judged_model)
    written = tmp_path / "lines.jsonl"
    run(sealed, monkeypatch, tmp_path / "out", *told, "--curves", "--best", "--lines", written)
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    best = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"picked"' in line]
    assert [line["person"] for line in lines] == [line["person"] for line in best] == ["person-01", "person-02"]
    for line, found in zip(lines, best, strict=True):
        assert found["picked"] == line["harmonic"]
        assert found["samples"] in (4, 8)
        if found["samples"] == line["picked_samples"]:
            assert found["harmonic"] == pytest.approx(line["harmonic"], abs=1e-6)
