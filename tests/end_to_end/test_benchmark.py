"""The benchmarks run, and say what they measured; how long it took is nobody's business here."""

import contextlib
import dataclasses
import fnmatch
import json
import re
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import (
    floor,
    identities,
    levers,
    notebook,
    past_one_machine,
    refusals,
    regret,
    sealed,
    server_load,
    start_up,
)
from benchmarks.kohya import Kohya
from benchmarks.soak import Soaked, soak
from retrato.embeddings import read_embedding
from retrato.errors import EmbeddingError
from retrato.evaluation.kept import kept_clock
from retrato.evaluation.prompts import read_prompts
from retrato.model import Components
from retrato.model.families import clip_tokenizer
from retrato.photos import read_photos
from retrato.settings import EvaluateSettings
from retrato.studio import Studio
from retrato.training import RECIPES, Comparing, Extended, Picked, Prepared, Stepped

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "main_job.py"
PHOTOS = Path(__file__).parents[2] / "examples" / "photos" / "benny"


def test_a_load_that_fails_leaves_no_server_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], text=True) as server:
        monkeypatch.setattr(server_load, "start", lambda *_: (server, "http://127.0.0.1:1/"))
        with pytest.raises(OSError, match="refused"):
            server_load.run(tmp_path, "mini", count=1, drawings=10)
        assert server.poll() is not None


def test_main_job_measures_every_phase(tiny_folder: Path, photos: Path) -> None:
    run = runpy.run_path(str(SCRIPT))["run"]
    phases = list(run(str(tiny_folder), photos, 2, 1))
    assert [phase.name for phase in phases] == ["import", "load", "prepare", "train", "pick", "draw"]
    assert all(phase.seconds >= 0 for phase in phases)
    peaks = [phase.peak_mb for phase in phases]
    assert peaks == sorted(peaks)
    assert peaks[0] > 10


def test_drawing_is_compared_with_diffusers_and_with_its_fast_setting(
    tiny_components: Components, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(SCRIPT.with_name("generate.py")))
    assert script["beside_pipeline"](tiny_components, 1)["same_latents"] is True
    rows = script["ways"](tiny_components, None, None, None, 1)
    wanted = [*script["WAYS"], *(script["BY_OPENVINO"] if find_spec("openvino") else [])]
    assert [row["way"] for row in rows] == wanted
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == len(wanted) + 2


def test_start_up_runs_a_process_and_says_what_it_took() -> None:
    found = start_up.measure("python", start_up.COMMANDS["python alone"], 1)
    assert found.seconds > 0
    assert found.peak_mb > 1
    with pytest.raises(RuntimeError, match="ended with 3"):
        start_up.measure("nothing", (sys.executable, "-c", "raise SystemExit(3)"), 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # zmq's and jupyter's own
def test_the_notebook_is_timed_in_seconds_of_the_kernel() -> None:
    busy = "import time\nend = time.process_time() + 2\nwhile time.process_time() < end: pass"
    cells = [nbformat.v4.new_code_cell(busy), nbformat.v4.new_code_cell("1")]
    took = notebook.run(nbformat.v4.new_notebook(cells=cells))
    assert took.processor_seconds >= 2
    assert took.seconds > sum(took.cells) > took.cells[0] >= 2 > took.cells[1]


def test_the_floor_of_a_step_follows_from_the_figures_in_its_row(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([floor.Rates(3e9, 5e9), floor.Rates(7e9, 11e9)] * 2)
    monkeypatch.setattr(floor, "measure_rates", lambda *_: next(measured))
    monkeypatch.setattr(floor, "frozen", lambda *_: contextlib.nullcontext(True))  # as a CPU that knows bfloat16 learns
    learning, drawing = floor.run(tiny_components, 1, 1)
    assert (learning.rates, drawing.rates) == (floor.Rates(3e9, 5e9), floor.Rates(7e9, 11e9))
    for step in (learning, drawing):
        assert step.floor_seconds == pytest.approx(
            max(step.giga_operations * 1e9 / step.rates.operations, step.mega_bytes * 1e6 / step.rates.bytes)
        )
    unet = sum(each.numel() * each.element_size() for each in tiny_components.unet.parameters())
    assert drawing.mega_bytes == unet / 1e6, "a drawing encodes its words before its steps"
    assert learning.mega_bytes > 2 * drawing.mega_bytes
    twice, _ = floor.run(tiny_components, 2, 1)
    assert twice.giga_operations == pytest.approx(2 * learning.giga_operations, rel=0.01)
    assert 0 < drawing.giga_operations < learning.giga_operations


def test_the_rates_of_a_device_are_measured() -> None:
    rates = floor.measure_rates(torch.device("cpu"), torch.float32, 64, 1)
    assert rates.operations > 0
    assert rates.bytes > 0


def test_many_people_on_many_machines() -> None:
    phases = {"import": 1, "load": 2, "prepare": 1, "train": 40, "pick": 19, "draw": 99}
    line = json.dumps({"phases": [{"name": name, "seconds": seconds} for name, seconds in phases.items()]})
    job = past_one_machine.read_job(line)
    assert job.seconds(1000, 1) == 60 * 1000 + 3
    assert job.seconds(101, 100) == 2 * 60 + 3
    assert job.machine_hours(60, 1) == pytest.approx(1.0, rel=0.01)
    with pytest.raises(ValueError, match="no line of"):
        past_one_machine.read_job('{"starts": []}')


def test_the_page_about_many_people_follows_from_the_figures_that_it_names() -> None:
    page = (SCRIPT.parents[1] / "docs/past-one-machine.md").read_text("utf-8")
    each, once = (float(found) for found in re.findall(r"\*\*([\d.]+) s per (?:person|machine)\*\*", page))
    parts = re.search(r"prepare ([\d.]+) s, train ([\d.]+) s, pick ([\d.]+) s", page)
    assert parts is not None
    assert sum(map(float, parts.groups())) == pytest.approx(each)
    job = past_one_machine.Job(each, once)
    for people in (1_000, 1_000_000):
        times = [past_one_machine.in_words(job.seconds(people, machines)) for machines in (1, 10, 100)]
        assert f"| {people:,} | {' | '.join(times)} | {job.machine_hours(people, 1):,.1f} |" in page
    within_a_day = re.search(r"need ([\d,]+) such machines", page)
    assert within_a_day is not None
    machines = int(within_a_day[1].replace(",", ""))
    assert job.seconds(1_000_000, machines) <= 86_400 < job.seconds(1_000_000, machines - 1)


def test_sealed_people_are_others_for_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    for seed in ("1", "2"):
        monkeypatch.setattr(sys, "argv", ["identities", "--seed", seed, "--people", "1", "--out", str(tmp_path / seed)])
        identities.main()
        drawn[seed] = (tmp_path / seed / "person-01/00.png").read_bytes()
        assert len(list((tmp_path / seed / "person-01").iterdir())) == 20
    assert drawn["1"] != drawn["2"]


def test_sealed_people_have_attributes_that_nothing_was_tuned_on() -> None:
    tuned_on = {person.key for person in identities.held_out_identities(20)}
    sealed = [person.key for person in identities.sealed_people(8, 20261127)]
    assert len(set(sealed)) == 8
    assert not tuned_on & set(sealed)
    assert tuned_on & {person.key for person in identities.held_out_identities(8, salt=20261127)}, "so three were"


def test_the_sheet_of_sealed_people_shows_the_same_prompts_of_everybody(tmp_path: Path) -> None:
    prompts = [prompt.text for prompt in read_prompts(None)]
    shown = [prompts.index(text) for text in sealed.SHOWN]
    measured = []
    for person in ("ana", "bia"):
        (tmp_path / person).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), "blue").save(tmp_path / person / f"{number}.png")
        for recipe, colour in (("retrato", "green"), ("a1111", "red")):
            pictures = [tmp_path / f"{person}-{recipe}-{number}.png" for number in range(2 * len(prompts))]
            for number, file in enumerate(pictures):
                Image.new("RGB", (8, 8), colour if number in shown else "black").save(file)
            measured.append(SimpleNamespace(person=person, recipe=recipe, pictures=pictures))
    drawn = sealed.sheet(cast("Any", measured), tmp_path)
    named = {(0, 0, 255): "blue", (0, 128, 0): "green", (255, 0, 0): "red"}
    colours = {named.get(cast("Any", colour)): count for count, colour in drawn.getcolors(maxcolors=1 << 20) or ()}
    assert [colours[name] // sealed.SIDE**2 for name in ("blue", "green", "red")] == [4, 6, 6]


def test_the_time_of_a_batch_is_shared_by_those_who_learn() -> None:
    prepared, stepped, comparing = (object.__new__(kind) for kind in (Prepared, Stepped, Comparing))
    picked, extended = (object.__new__(kind) for kind in (Picked, Extended))
    clock = sealed.SharedClock(["ana", "bia"])
    course = [
        ("ana", prepared, 50.0), ("bia", prepared, 50.0),  # nobody learns yet
        ("ana", stepped, 6.0), ("bia", stepped, 2.0),  # eight seconds for two
        ("ana", stepped, 6.0), ("ana", comparing, 70.0), ("ana", picked, 70.0),  # she is compared, which is no learning
        ("bia", stepped, 5.0),  # alone, so all of it is hers
        ("ana", extended, 0.5), ("ana", stepped, 4.0), ("bia", stepped, 4.0),  # and two again
    ]  # fmt: skip
    for name, event, passed in course:
        clock.heard(name, event, passed)
    assert clock.seconds == {"ana": 4.0 + 3.0 + 4.0, "bia": 4.0 + 3.0 + 5.0 + 4.0}


def test_sealed_people_are_learned_together_and_found_by_the_evaluation(
    tiny_folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ana", "bia"):
        shutil.copytree(photos, tmp_path / "people" / name)
    quick = dataclasses.replace(RECIPES["retrato"], steps=4, batch_size=2, save_every=2)
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {"retrato": quick})
    studio, settings = Studio.open(tiny_folder, home=tmp_path / "home", device="cpu"), EvaluateSettings()
    judge = cast("Any", SimpleNamespace(hash="none"))
    monkeypatch.setattr(sealed, "facts_of", lambda *_: {})
    sealed.learn_together(studio, tmp_path / "people", settings, "retrato", out=tmp_path / "out", judge=judge)
    for name in ("ana", "bia"):
        place = tmp_path / "out" / name / "retrato-0"
        assert (place / "run/run.json").is_file()
        seconds = kept_clock(place)
        assert list(seconds) == [2, 4]
        assert 0 < seconds[2] < seconds[4]


def test_a_line_of_sealed_people_says_where_it_was_measured() -> None:
    one = SimpleNamespace(
        person="ana", recipe="a1111", seed=0, scores={"identity": 0.5, "prompt_fidelity": 0.75, "harmonic": 0.6},
        rank1=1.0, samples=1000, picked_samples=500, seconds=12.345, pick_seconds=0.0,
    )  # fmt: skip
    here = sealed.circumstances()
    written = [json.loads(line) for line in sealed.lines(cast("Any", [one, one]), here).splitlines()]
    assert len(written) == 2
    assert written[0]["harmonic"] == 0.6
    assert written[0]["seconds"] == 12.3
    assert {name: written[0][name] for name in here} == here
    assert {"machine", "versions", "date", "command"} <= here.keys()
    stored = json.loads((SCRIPT.with_name("results") / "sealed.jsonl").read_text("utf-8").splitlines()[0])
    assert stored.keys() - written[0].keys() == {"people_seed"}, "which the name of the file says now"


def test_levers_are_fields_of_a_recipe_and_a_few_settings() -> None:
    recipe, settings = levers.changed("warm_up=20,betas=(0.8, 0.9),use_mask=True", 400)
    assert (recipe.warm_up, recipe.betas) == (20, (0.8, 0.9))
    assert (recipe.steps, settings) == (100, {"use_mask": True})
    with pytest.raises(SystemExit, match="nested is no lever"):
        levers.changed("nested=1", 400)


def test_the_published_regret_is_what_the_documented_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = SCRIPT.with_name("results") / "regret.jsonl"
    monkeypatch.setattr(sys, "argv", ["regret", "--out", str(kept), "--table"])
    regret.main()
    (pick,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| pick |"))
    assert pick in SCRIPT.with_name("RESULTS.md").read_text("utf-8").replace("**", "")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (["--model", "second"], "--model"),
        (["--steps", "900"], "--steps"),
        (["--save-every", "50", "--vectors", "2"], "--vectors and --save-every"),
    ],
)
def test_regret_of_something_else_wants_another_file(
    other: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = SCRIPT.with_name("results") / "regret.jsonl"
    monkeypatch.setattr(sys, "argv", ["regret", "--out", str(kept), *other])
    with pytest.raises(SystemExit, match=f"another {named}: give"):
        regret.main()


def test_levers_of_a_second_model_are_measured_beside_those_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "levers.jsonl"
    old = json.loads((SCRIPT.with_name("results") / "levers.jsonl").read_text("utf-8").splitlines()[0])
    assert (old["lever"], old["person"], old["seed"], old.get("model")) == ("base", 0, 0, None)
    out.write_text(json.dumps(old) + "\n")
    ran = []

    def run(lever: str, number: int, seed: int, samples: int, vectors: int) -> dict[str, object]:
        ran.append(vectors)
        return old | {"harmonic": 0.5}

    monkeypatch.setattr(levers.Bench, "open", lambda *_: SimpleNamespace(run=run))
    for model, told in (("mini", []), ("second", [3]), ("second", [3])):
        monkeypatch.setattr(sys, "argv", ["levers", "base", "--out", str(out), "--people", "1", "--model", model])
        levers.main()
        assert ran == told, model
    for model, harmonic in (("mini", "0.921"), ("second", "0.500")):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["levers", "--out", str(out), "--table", "--model", model])
        levers.main()
        (row,) = (line for line in capsys.readouterr().out.splitlines() if "`base`" in line)
        assert harmonic in row


def test_masks_of_drawn_people_show_them_and_nothing_else(tmp_path: Path) -> None:
    person = identities.held_out_identities(1)[0]
    identities.photos_of(person, "masks", tmp_path / "plain")
    identities.photos_of(person, "masks", tmp_path / "masked", with_masks=True)
    photos, _ = read_photos(tmp_path / "masked")
    assert [photo.image.tobytes() for photo in photos] == [
        p.image.tobytes() for p in read_photos(tmp_path / "plain")[0]
    ]
    for photo in photos:
        shown = np.asarray(photo.mask) > 127
        assert 0.05 < shown.mean() < 0.8
        assert shown[128, 128]  # somebody stands in the middle
        assert not shown[0, 0]


def test_the_hostile_record_counts_inputs_and_losses(tmp_path: Path) -> None:
    for name in ("photos", "others"):  # two, of which neither conftest is for all tests
        (tmp_path / name).mkdir()
        (tmp_path / name / "conftest.py").write_text("")
        (tmp_path / name / "test_none.py").write_text("def test_is_passed_over(): assert False\n")
    (tmp_path / "photos/test_some.py").write_text(
        "from hypothesis import given, settings, strategies as st\n"
        "import pytest\n"
        "def test_refuses_a_bomb(): pass\n"
        "def test_refuses_another(): assert False\n"
        "def test_refuses_what_is_not_here(): pytest.skip('not here')\n"
        "def test_is_pretty(): assert False\n"
        "@pytest.fixture\ndef broken():\n    yield\n    assert False\n"
        "def test_refuses_and_breaks(broken): pass\n"
        "@given(st.integers())\n@settings(max_examples=20, derandomize=True, database=None)\n"
        "def test_chance_bytes(number): pass\n"
    )
    code = (
        "import json, sys; from benchmarks.hostile import Row, run;"
        "rows = [Row('files', ('*::test_refuses*', '*::test_chance*')), Row('nothing', ('*::test_none*',))];"
        "record = run(sys.argv[1:], rows=rows);"
        "print(json.dumps([record.tests, record.tried, record.survived, record.lost, record.skipped, record.open]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=SCRIPT.parents[1]
    )
    tests, tried, survived, lost, skipped, untested = json.loads(ran.stdout.splitlines()[-1])
    assert tests == {"files": 4}
    assert tried == {"files": 23}
    assert survived == {"files": 21}
    assert [node.split("::")[1] for node in lost] == ["test_refuses_another", "test_refuses_and_breaks"]
    assert [node.split("::")[1] for node in skipped] == ["test_refuses_what_is_not_here"]
    assert untested == ["nothing"]


def test_every_hostile_embedding_that_is_made_is_refused_by_name(tmp_path: Path) -> None:
    for path in refusals.hostile_files(tmp_path):
        with pytest.raises(EmbeddingError, match=re.escape(path.name)):
            read_embedding(path)


def test_every_test_that_the_hostile_record_names_is_there() -> None:
    from benchmarks.hostile import FOLDERS, ROWS

    root = SCRIPT.parents[1]
    names = set()
    for file in (path for folder in FOLDERS for path in (root / folder).rglob("test_*.py")):
        place = file.relative_to(root).as_posix().partition("/")[2]
        names |= {
            f"{place}::{name}" for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.M)
        }
    missing = [test for row in ROWS for test in row.tests if not fnmatch.filter(names, test)]
    assert missing == []


def test_the_hostile_record_says_which_tests_stand_for_what(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('kind', ['zip', 'png'])\ndef test_refuses_a_bomb(kind): assert False\n"
        "def test_is_pretty(): pass\n"
    )
    code = (
        "import sys; from benchmarks.hostile import Row, listed, run;"
        "rows = [Row('bombs', ('*::test_refuses*',)), Row('nothing', ('*::test_none*',))];"
        "print(*listed(run(sys.argv[1:], '--collect-only', rows=rows)), sep='\\n')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=SCRIPT.parents[1]
    )
    bombs, test, nothing, every = ran.stdout.splitlines()[-4:]
    assert bombs == "bombs: 2"
    assert test.endswith("test_some.py::test_refuses_a_bomb (2)")
    assert (nothing, every) == ("nothing: open", "all: 2")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_many_drawings_and_people_take_no_more_memory_and_leave_no_file_open(tiny_folder: Path, tmp_path: Path) -> None:
    soaked = soak(Studio.open(tiny_folder, home=tmp_path, device="cpu"), 100, 20)
    assert len(soaked.memory_mb) == 10
    assert soaked.passed, soaked
    assert len(list((tmp_path / "embeddings").iterdir())) == 20


@pytest.mark.parametrize(("memory", "files"), [([100, 106], [7, 7]), ([100, 100], [7, 8])])
def test_a_leak_would_be_seen(memory: list[int], files: list[int]) -> None:
    assert not Soaked(memory, files).passed


@pytest.mark.slow
def test_kohyas_script_makes_steps_in_a_process_of_its_own(tmp_path: Path) -> None:
    scripts, model = tmp_path / "sd-scripts", tmp_path / "model"
    (scripts / ".venv" / "bin").mkdir(parents=True)
    python = scripts / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (scripts / "train_textual_inversion.py").write_text(KOHYA)
    clip_tokenizer("<|endoftext|>").save_pretrained(model / "tokenizer")
    arm = Kohya(scripts, model, PHOTOS, 64, 2, "no", 2, tmp_path / "work")
    assert arm.counted_step().giga_operations > 0
    cpu, wall = arm.timed_step()
    assert cpu >= 0
    assert wall > 0
    seen = arm.seen()
    assert seen["vectors"].tolist() == [[4.0] * 4] * 2, "before the step"
    assert seen["gradient"].tolist() == [[2.0] * 4] * 2
    assert seen["timesteps"].tolist() == [7]
    arm.stop()
    assert (tmp_path / "work/tokenizers/openai_clip-vit-large-patch14/merges.txt").read_text().startswith("#version")
    (scripts / "train_textual_inversion.py").write_text("raise SystemExit('no such option')")
    with pytest.raises(SystemExit, match="no such option"):
        Kohya(scripts, model, PHOTOS, 64, 2, "no", 2, tmp_path / "other")


KOHYA = """
import argparse, types, torch
from torchvision import transforms
from tqdm import tqdm

train_util = types.SimpleNamespace(get_noise_noisy_latents_and_timesteps=lambda options, scheduler, latents: (
    latents, latents, torch.tensor([7])))

class Parser(argparse.ArgumentParser):
    def parse_args(self):
        return self.parse_known_args()[0]

def setup_parser():
    parser = Parser()
    for name in ("tokenizer_cache_dir", "num_vectors_per_token", "train_data_dir"):
        parser.add_argument(f"--{name}", required=True)
    return parser

class TextualInversionTrainer:
    def train(self, options):
        pixels = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
        table = torch.nn.Parameter(torch.full((5, 4), 5.0))
        optimizer = torch.optim.SGD([table], lr=0.5)
        bar = tqdm(range(9))
        print("no line that anybody waits for")
        for _ in range(9):
            train_util.get_noise_noisy_latents_and_timesteps(options, None, torch.zeros(1))
            loss = 2 * (table @ torch.eye(4)).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            bar.update(1)
"""
