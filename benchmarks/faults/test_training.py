"""Long trainings that are stopped, killed and told to end: run by `python -m benchmarks.hostile`."""

import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch

from retrato.cli import main
from retrato.embeddings import read_embedding
from retrato.errors import TrainingError
from retrato.jobs import JobQueue, order_training, work
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Finished, Stepped, train
from retrato.training.checkpoint import load_checkpoint

LONG = TrainSettings(
    name="ana-t1", steps=200, batch_size=2, save_every=50, evaluate_every=50, shuffle_tags=True, recipe="a1111"
)


def begun(*arguments: object, errors: Path, first: Callable[[], object] = lambda: None, **environment: object) -> int:
    """Starts a command line in a copy of this process, which has imported everything; gives the number of the copy.

    What it says on stderr goes to the file `errors`; `first` is what the copy does before.
    """
    child = os.fork()
    if child == 0:
        code = 70
        try:
            torch.set_num_threads(1)
            os.environ.update({name: str(value) for name, value in environment.items()})
            sys.stdout, sys.stderr = open(os.devnull, "w"), errors.open("w", buffering=1)  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            first()
            code = main([str(argument) for argument in arguments])
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    """Waits for the end of a process and gives its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(happens: Callable[[], object]) -> None:
    """Waits until something is so, at most ten minutes."""
    deadline = time.monotonic() + 600
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows(home: Path) -> int:
    """Gives how many steps the runs below `home` have written down."""
    return sum(log.read_text().count("\n") for log in home.rglob("textual_inversion_loss.csv"))


def processor_seconds(pid: int) -> float:
    """Gives what a running process has taken of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def outcome(folder: Path) -> tuple[bytes, bytes]:
    """Gives the embedding's and the loss table's bytes."""
    return (folder / "ana-t1.safetensors").read_bytes(), (folder / "textual_inversion_loss.csv").read_bytes()


def test_two_hundred_steps_resumed_at_any_of_four_are_the_same(studio: Studio, photos: Path, tmp_path: Path) -> None:
    list(studio.train(photos, LONG.changed(overwrite=True), out=tmp_path / "whole"))
    for stop in (1, 37, 100, 199):
        folder = tmp_path / str(stop)
        events = studio.train(photos, LONG.changed(overwrite=True), out=folder)
        next(event for event in events if isinstance(event, Stepped) and event.step == stop)
        events.close()
        list(studio.train(photos, LONG.changed(overwrite=True), out=folder, resume=True))
        assert outcome(folder) == outcome(tmp_path / "whole"), stop


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fifty_kills_at_random_lose_no_checkpoint(studio: Studio, photos: Path, tmp_path: Path) -> None:
    """Each life gets further than what it found, or is killed before its next checkpoint: never less is there."""
    _ = studio.components, studio.library
    settings = LONG.changed(steps=100_000, save_every=2, evaluate_every=2, held_out=0)
    folder, source, before = tmp_path / "run", random.Random(0), 0
    events = studio.train(photos, settings, out=folder)
    next(event for event in events if isinstance(event, Stepped) and event.step == 2)
    events.close()
    for kill in range(50):
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process where it is, as a kill does
            delay = source.uniform(0.001, 0.5)
            for event in studio.train(photos, settings, out=folder, resume=True):
                if isinstance(event, Stepped) and delay:
                    signal.setitimer(signal.ITIMER_REAL, delay)
                    delay = 0.0
            os._exit(1)
        source.random()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM, kill
        found = load_checkpoint(folder / "checkpoints")
        assert found is not None
        assert found.damaged == ()
        assert found.state.step >= before
        before = found.state.step
    assert before > 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_that_are_resumed_as_two_learn_what_they_would_have(
    studio: Studio, photos: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """With a rate that does not depend on the number of steps, a run of three that goes on to six equals one of six."""
    _ = studio.components
    how = ("train", photos, "--name", "ana-t1", "--model", tiny_folder, "--device", "cpu", "--learning-rate", "0.005")
    what = ("--batch-size", 1, "--gradient-accumulation", 2, "--shuffle-tags", "--tag-dropout", 0.2, "--overwrite")
    (photos / "00.txt").write_text("red hat, a cat, a dog", encoding="utf-8")

    def together(steps: int, out: str, *more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        every = ("--steps", steps, "--evaluate-every", 3, "--latent-sampling", "random", "--out", tmp_path / out, *more)
        place = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RETRATO_HOME": studio.home}
        both = [
            begun(*how, *what, *every, errors=tmp_path / f"{rank}.txt", RANK=rank, LOCAL_RANK=rank, **place)
            for rank in range(2)
        ]
        assert [ended(child) for child in both] == [0, 0], (tmp_path / "0.txt").read_text()

    together(6, "whole")
    together(3, "parts")
    together(6, "parts", "--resume")
    (found,), (expected,) = (
        read_embedding(tmp_path / out / "ana-t1.safetensors").vectors for out in ("parts", "whole")
    )
    assert float((found - expected).norm() / expected.norm()) <= 1e-6
    states = [load_checkpoint(tmp_path / out / "checkpoints") for out in ("parts", "whole")]
    assert [state.state.step for state in states if state] == [6, 6]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_second_interruption_ends_it_at_once(studio: Studio, photos: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """Saving after the first one takes ten minutes here; the second one does not wait for that."""
    _ = studio.components
    is_saving = tmp_path / "saving"

    def save_slowly() -> None:
        def keep(*_: object) -> None:
            is_saving.touch()
            time.sleep(600)

        mock.patch.object(sys.modules["retrato.training.train"], "_save", keep).start()

    how = ("--model", tiny_folder, "--steps", 1_000_000, "--recipe", "a1111", "--device", "cpu")
    child = begun(
        "train", photos, "--name", "ana-t1", *how,
        errors=tmp_path / "said.txt", first=save_slowly, RETRATO_HOME=studio.home,
    )  # fmt: skip
    wait_for(lambda: rows(studio.home) > 3)
    os.kill(child, signal.SIGINT)
    wait_for(is_saving.exists)
    taken, asked = processor_seconds(child), time.monotonic()
    os.kill(child, signal.SIGINT)
    _, status, usage = os.wait4(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130, (tmp_path / "said.txt").read_text()
    assert usage.ru_utime + usage.ru_stime - taken < 2
    assert time.monotonic() - asked < 300  # it did not sleep to the end, however busy the machine is
    assert "Traceback" not in (tmp_path / "said.txt").read_text()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_second_training_of_a_name_is_refused_within_a_second_and_a_dead_ones_lock_is_free(
    studio: Studio, photos: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is of the processor, from when everything is imported: the model is not even loaded."""
    _ = studio.components
    monkeypatch.setenv("RETRATO_HOME", str(studio.home))
    how = ("train", photos, "--name", "ana-t1", "--model", tiny_folder, "--recipe", "a1111", "--device", "cpu")
    child = begun(*how, "--steps", 1_000_000, errors=tmp_path / "first.txt")
    wait_for(lambda: rows(studio.home) > 3)
    second = begun(*how, "--steps", 4, errors=tmp_path / "second.txt")
    _, status, usage = os.wait4(second, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert f"process {child} is training in" in (tmp_path / "second.txt").read_text()
    assert usage.ru_utime + usage.ru_stime < 1
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert ended(begun(*how, "--steps", 4, errors=tmp_path / "third.txt")) == 0, (tmp_path / "third.txt").read_text()


def test_the_time_to_go_of_a_training_is_right_to_15_percent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe as it is, on retrato-mini; in seconds of the processor and the median of what is said, as machines are
    shared.

    It is the queue's, of the whole job, comparing included, and so what the page says.
    """
    photos = Path(__file__).parents[2] / "examples" / "photos" / "benny"
    torch.set_num_threads(1)
    monkeypatch.setattr(time, "monotonic", time.process_time)
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    queue = JobQueue(tmp_path)
    said: dict[str, list[tuple[float, float]]] = {"stepped": [], "comparing": []}
    order_training(queue, photos, TrainSettings(name="ana-t1"))
    job = queue.claim("cpu")
    assert job is not None
    for event in work(Studio.open("mini", home=tmp_path, device="cpu"), queue, job, stopping=lambda: False):
        left = queue.seconds_left(queue.get(job.id))
        if event.kind == "comparing" or (event.kind == "stepped" and event.data["step"] >= 25):
            assert left is not None
            said[event.kind].append((left, time.process_time()))
    ended = time.process_time()
    assert len(said["stepped"]) > 20  # a fast machine says fewer: they are told a few times a second
    begun = said["comparing"][0][1]
    of_steps = [left / (ended - now) - 1 for left, now in said["stepped"]]
    of_comparing = [(left - (ended - now)) / (ended - begun) for left, now in said["comparing"]]
    print(*(f"{min(each):+.1%} to {max(each):+.1%}" for each in (of_steps, of_comparing)))
    assert statistics.median(map(abs, of_steps)) < 0.15
    assert statistics.median(map(abs, of_comparing)) < 0.15, "of all of the comparing"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes, of which 160 KB are free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    (disk / "ballast").write_bytes(bytes(4 * 2**20 - 160 * 2**10))
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_of_four_megabytes_that_fills_up_loses_nothing(
    studio: Studio, photos: Path, tmp_path: Path, small_disk: Path
) -> None:
    settings = LONG.changed(steps=60, save_every=1, evaluate_every=20)

    def learn(folder: Path, resume: bool = False) -> Finished:
        *_, last = train(studio.components, photos, settings, run_folder=folder, resume=resume)
        assert isinstance(last, Finished)
        return last

    wanted = learn(tmp_path / "whole")
    folder, steps = small_disk / "run", []
    for resume in (False, True):  # the second time the disk is still full: it says so again, and ends again
        with pytest.raises(TrainingError, match=r"No space left on device, [\d,]+ bytes are needed\): the last good"):
            learn(folder, resume)
        found = load_checkpoint(folder / "checkpoints")
        assert found is not None
        assert found.damaged == ()
        assert read_embedding(folder / "embeddings" / f"ana-t1-{found.state.step}.safetensors").step == found.state.step
        assert not list(folder.rglob("*.tmp*"))
        steps.append(found.state.step)
    assert 0 < steps[0] <= steps[1] < 60
    (small_disk / "ballast").unlink()
    assert learn(folder, resume=True).steps_run == wanted.steps_run
    assert outcome(folder) == outcome(tmp_path / "whole")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_the_work_and_ends_with_130_within_two_seconds(
    kind: signal.Signals, tiny_folder: Path, photos: Path
) -> None:
    """Two seconds of the processor, the step in which the signal comes included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = children.ru_utime + children.ru_stime
    home = photos.parent / "home"
    command = ["train", photos, "--name", "ana-t1", "--model", tiny_folder, "--steps", "1000000", "--recipe", "a1111"]
    more = ["--preview-every", "5", "--save-every", "5", "--device", "cpu"]
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "retrato", *map(str, command), *more],
        env={**os.environ, "RETRATO_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if line.startswith("preview:"):  # of step 5
                taken += processor_seconds(process.pid)
                process.send_signal(kind)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 130, "".join(lines)
    assert children.ru_utime + children.ru_stime - taken < 2
    assert sum("interrupted at step" in line for line in lines) == 1
    assert not any("Traceback" in line for line in lines)
    saved = sorted(home.rglob("embeddings/ana-t1-*.safetensors"))
    assert saved
    assert (read_embedding(saved[-1]).step or 0) >= 5
