"""benchmarks/main_job.py runs, and says what it measured; how long it took is nobody's business here."""

import runpy
from pathlib import Path

from retrato.model import Components

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "main_job.py"


def test_main_job_measures_every_phase(tiny_folder: Path, photos: Path) -> None:
    run = runpy.run_path(str(SCRIPT))["run"]
    phases = list(run(str(tiny_folder), photos, 2, 1))
    assert [phase.name for phase in phases] == ["import", "load", "prepare", "train", "pick", "draw"]
    assert all(phase.seconds >= 0 for phase in phases)
    peaks = [phase.peak_mb for phase in phases]
    assert peaks == sorted(peaks)
    assert peaks[0] > 10


def test_drawing_is_compared_with_diffusers_and_with_its_fast_setting(tiny_components: Components) -> None:
    script = runpy.run_path(str(SCRIPT.with_name("generate.py")))
    assert script["beside_pipeline"](tiny_components, 1)["same_latents"] is True
    rows = script["ways"](tiny_components, None, None, None, 1)
    assert [row["way"] for row in rows] == list(script["WAYS"])
