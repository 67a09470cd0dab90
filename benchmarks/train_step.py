"""A training step beside diffusers' textual_inversion.py and kohya's: seconds, operations, kept bytes, same gradient.

python -m benchmarks.train_step --script textual_inversion.py                      retrato-mini, batches of 1 and 4
python -m benchmarks.train_step --script textual_inversion.py --family sd1 --size 512 --batches 1 --rounds 2
    --precision bfloat16 [--peer-precision float32]        in other number formats; --only retrato for the memory of one

    --kohya sd-scripts         beside kohya's script too, or alone; only for full width (see benchmarks/kohya.py)

The script is the peer's own, as its authors wrote it (examples/textual_inversion of the diffusers repository).
It runs in a thread, and its progress bar hands over after each step, so that both make steps in turns on the same
model, photos, batch, number format and number of threads. Time is processor time, for other work on the machine
disturbs that least; operations and the bytes that autograd keeps are counted. The gradient of one of its steps is
compared with retrato's for the same latents, noise, timesteps and texts. retrato encodes each photo once beforehand,
which is timed apart. A table, then one line of JSON; exit code 1 where the gradients differ by more than 1e-5, in
bfloat16 3e-2.
"""

import argparse
import contextlib
import importlib.util
import json
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from transformers.utils import is_torchvision_available

from benchmarks.kohya import CAPTION, WORD, Kohya
from benchmarks.main_job import circumstances
from benchmarks.random_models import save_random_model
from benchmarks.step_counter import Count, Counter
from retrato.evaluation.run_script import stand_ins
from retrato.model import Components, load_components
from retrato.model.catalogue import describe_model
from retrato.model.load import model_path
from retrato.model.quiet import import_quietly
from retrato.photos import read_photos
from retrato.settings import TrainSettings
from retrato.training import RECIPES, Prepared, Stepped, frozen, resolve, train
from retrato.training.learnable import learnable_of
from retrato.training.step import Batch, gradients, read_diffusion

PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "benny"
NAME, VECTORS = "who-1", 2
PLACEHOLDER = " ".join(["<who>", *(f"<who>_{number}" for number in range(1, VECTORS))])
NEVER = 1_000_000
MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16"}  # the script's words
TOLERANCE = {"float32": 1e-5, "bfloat16": 3e-2}


class InTurns:
    """One who makes training steps in this process, one at a time."""

    def step(self, within: contextlib.AbstractContextManager[object] | None = None) -> None:
        """Makes one step, `within` a context of the thread that computes it."""
        raise NotImplementedError

    def timed_step(self) -> tuple[float, float]:
        """Makes one step and gives its seconds of the processor and on the clock."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.step()
        return time.process_time() - cpu, time.perf_counter() - wall

    def counted_step(self) -> Count:
        """Makes one step and gives what it did."""
        counter = Counter()
        self.step(counter)
        return counter.count()


class Stopped(BaseException):
    """Ends the script from inside."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of the script from inside: its batch, its vectors [V, D], and their gradient."""

    batch: Batch
    vectors: torch.Tensor
    gradient: torch.Tensor


class Peer(InTurns):
    """The script, running in a thread of its own, one step at a time."""

    def __init__(
        self, script: Path, model: Path, photos: Path, size: int, batch_size: int, precision: str, out: Path
    ) -> None:
        self._module: Any = _loaded(script)
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._is_stopping = False
        self._within: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        self._texts: dict[tuple[int, ...], str] = {}
        self._seen: dict[str, Any] = {}
        self._watch_inside()
        arguments = {
            "pretrained_model_name_or_path": model, "train_data_dir": photos, "placeholder_token": "<who>",
            "initializer_token": "person", "num_vectors": VECTORS, "resolution": size, "train_batch_size": batch_size,
            "max_train_steps": NEVER, "save_steps": NEVER, "checkpointing_steps": NEVER, "output_dir": out, "seed": 0,
            "mixed_precision": MIXED_PRECISION[precision],
        }  # fmt: skip
        self._arguments = [str(script), *(f"--{name}={value}" for name, value in arguments.items())]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._handed_back()

    def step(self, within: contextlib.AbstractContextManager[object] | None = None) -> None:
        """Makes one step of the script, `within` a context of the script's thread."""
        self._within = within or contextlib.nullcontext()
        self._turn.release()
        self._handed_back()

    def seen(self) -> Seen:
        """Gives the latest step from inside."""
        latents, noise, timesteps = self._seen["draw"]
        texts = tuple(self._texts[tuple(ids)].replace(PLACEHOLDER, NAME) for ids in self._seen["ids"].tolist())
        return Seen(Batch(latents, noise, timesteps, texts), *self._seen["rows"])

    def stop(self) -> None:
        """Ends the script and forgets it."""
        self._is_stopping = True
        self._turn.release()
        self._thread.join()
        self._module.__dict__.clear()

    def _handed_back(self) -> None:
        self._back.acquire()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        sys.argv, before = self._arguments, sys.argv
        try:
            with self._hooks():
                self._module.main()
        except Stopped:
            pass
        except BaseException as error:
            self._error = error
        finally:
            sys.argv = before
            self._back.release()

    def _bar(self, *_: object, **__: object) -> Any:
        """Stands in for the progress bar: waits before the first step and after each."""
        self._wait()
        return types.SimpleNamespace(update=self._next, set_postfix=lambda **_: None)

    def _next(self, _: int) -> None:
        self._within.__exit__(None, None, None)
        self._wait()

    def _wait(self) -> None:
        self._back.release()
        self._turn.acquire()
        if self._is_stopping:
            raise Stopped
        self._within.__enter__()

    def _watch_inside(self) -> None:
        module = self._module
        module.tqdm = self._bar
        accelerator, add_noise = module.Accelerator, module.DDPMScheduler.add_noise
        item = module.TextualInversionDataset.__getitem__

        def noisy(scheduler: Any, latents: Any, noise: Any, timesteps: Any) -> Any:
            self._seen["draw"] = (latents, noise, timesteps)
            return add_noise(scheduler, latents, noise, timesteps)

        def example(dataset: Any, number: int) -> Any:
            choice, chosen = module.random.choice, list[str]()

            def noted(texts: Sequence[str]) -> str:
                chosen.append(choice(texts))
                return chosen[-1]

            with mock.patch.object(module.random, "choice", noted):
                found = item(dataset, number)
            self._texts[tuple(found["input_ids"].tolist())] = chosen[-1].format(PLACEHOLDER)
            return found

        # Without TensorBoard, which the script would write to at each step.
        module.Accelerator = lambda **options: accelerator(**{**options, "log_with": None})
        module.DDPMScheduler = type("Scheduler", (module.DDPMScheduler,), {"add_noise": noisy})
        module.TextualInversionDataset = type("Set", (module.TextualInversionDataset,), {"__getitem__": example})

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[None]:
        """Looks at the gradient just before the optimizer takes it, and at the token numbers of each batch."""
        encoder = self._module.CLIPTextModel
        forward = encoder.forward

        def encoded(model: Any, ids: torch.Tensor, *others: Any, **named: Any) -> Any:
            if threading.current_thread() is self._thread:  # retrato uses the same class
                self._seen["ids"] = ids
            return forward(model, ids, *others, **named)

        def looked(optimizer: torch.optim.Optimizer, *_: object) -> None:
            (table,) = optimizer.param_groups[0]["params"]
            self._seen["rows"] = (table.detach()[-VECTORS:].clone(), table.grad[-VECTORS:].clone())

        handle = register_optimizer_step_pre_hook(looked)
        encoder.forward = encoded
        try:
            yield
        finally:
            encoder.forward = forward
            handle.remove()


def _loaded(script: Path) -> types.ModuleType:
    """Gives the script as a module. It wants torchvision for nothing but mirroring half of the photos."""
    spec = importlib.util.spec_from_file_location("peer", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import_quietly()  # so that diffusers and transformers have looked for torchvision, and do not find the stand-in
    is_torchvision_available()
    added = stand_ins()
    sys.modules |= added
    try:
        spec.loader.exec_module(module)
    finally:
        for name in added:
            del sys.modules[name]
    return module


class Retrato(InTurns):
    """retrato's own training, one step at a time."""

    def __init__(self, components: Components, photos: Path, size: int, batch_size: int, out: Path) -> None:
        found, _ = read_photos(photos)
        self._settings = TrainSettings(
            name=NAME, vectors_per_token=VECTORS, batch_size=batch_size, width=size, height=size, held_out=0,
            caption="none", learning_rate="5e-4", steps=NEVER, evaluate_every=NEVER, save_every=NEVER,
        )  # fmt: skip
        started = time.process_time()
        self._events = train(components, found, self._settings, run_folder=out)
        next(event for event in self._events if isinstance(event, Prepared))
        self.preparing_seconds = time.process_time() - started

    def step(self, within: contextlib.AbstractContextManager[object] | None = None) -> None:
        """Makes one step, `within` a context."""
        with within or contextlib.nullcontext():
            next(event for event in self._events if isinstance(event, Stepped))

    def stop(self) -> None:
        """Ends the training."""
        self._events.close()


def gradient_difference(components: Components, seen: Seen) -> float:
    """Gives how far retrato's gradient for the same step is from the script's, as a share of its length."""
    settings = TrainSettings(name=NAME, vectors_per_token=VECTORS, learning_rate="5e-4")
    plan = resolve(settings, RECIPES["a1111"], len(seen.batch.texts))
    learnable = learnable_of(components, settings, plan)
    cells = seen.batch.latents.shape[-2] * seen.batch.latents.shape[-1]
    with frozen.frozen(components, len(seen.batch.texts), cells) as autocast:
        _, (found,) = gradients(
            components, read_diffusion(components), seen.batch, learnable, (seen.vectors,), plan, autocast, 0
        )
    return float((found - seen.gradient).norm() / seen.gradient.norm())


def compare(options: argparse.Namespace, model: Path, photos: Path, batch_size: int, work: Path) -> dict[str, Any]:
    """Gives the figures of one size of batch: the arms make `rounds` counted steps, taking turns at being first."""
    arms: dict[str, Peer | Kohya | Retrato] = {}
    size = options.size or describe_model(model).size
    precision = options.peer_precision or options.precision
    if options.script and options.only != "retrato":
        arms["diffusers"] = Peer(options.script, model, photos, size, batch_size, precision, work / "peer")
    if options.kohya and options.only != "retrato":
        mixed, place = MIXED_PRECISION[precision], work / f"kohya-{batch_size}"
        arms["kohya"] = Kohya(options.kohya, model, photos, size, batch_size, mixed, VECTORS, place)
    if options.only != "diffusers":
        components = load_components(model, device="cpu", dtype=options.precision)
        arms["retrato"] = Retrato(components, photos, size, batch_size, work / f"run-{batch_size}")
    cpu, wall = {name: list[float]() for name in arms}, {name: list[float]() for name in arms}
    found: dict[str, Any] = {"batch": batch_size, "rounds": options.rounds}
    found["counts"] = {name: asdict(arm.counted_step()) for name, arm in arms.items()}  # warms up, too
    for number in range(options.rounds):
        for name in list(arms)[:: -1 if number % 2 else 1]:
            for spent, seconds in zip((cpu, wall), arms[name].timed_step(), strict=True):
                spent[name].append(seconds)
    found["cpu_seconds"] = {name: statistics.median(each) for name, each in cpu.items()}
    found["wall_seconds"] = {name: statistics.median(each) for name, each in wall.items()}
    found["beside"] = {}
    for name, arm in arms.items() if "retrato" in arms else ():
        if not isinstance(arm, Retrato):
            ratios = [one / other for one, other in zip(cpu[name], cpu["retrato"], strict=True)]
            seen = arm.seen() if isinstance(arm, Peer) else _seen_by_kohya(arm, batch_size)
            found["beside"][name] = {
                "ratio": statistics.median(ratios),
                "from_to": _inner(ratios),
                "gradient_difference": gradient_difference(components, seen),
            }
    for arm in arms.values():
        arm.stop()
        if isinstance(arm, Retrato):
            found["preparing_cpu_seconds"] = arm.preparing_seconds
    return found


def _seen_by_kohya(arm: Kohya, batch_size: int) -> Seen:
    found = arm.seen()
    texts = (CAPTION.replace(WORD, NAME),) * batch_size
    batch = Batch(found["latents"], found["noise"], found["timesteps"], texts)
    return Seen(batch, found["vectors"], found["gradient"])


def _inner(numbers: Sequence[float]) -> tuple[float, float]:
    """Gives the 10th and the 90th percentile, of few numbers the least and the largest."""
    ordered = sorted(numbers)
    left_out = len(ordered) // 10
    return ordered[left_out], ordered[-1 - left_out]


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, help="diffusers' textual_inversion.py")
    parser.add_argument("--kohya", type=Path, help="kohya's sd-scripts; see benchmarks/kohya.py")
    parser.add_argument("--model", default="mini", help="folder in diffusers layout")
    parser.add_argument(
        "--family", help="sd1 or sd2: that architecture in full width with random weights, as the model"
    )
    parser.add_argument("--reduced", action="store_true", help="that architecture in reduced width")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--size", type=int, help="side of the pictures in pixels; the model's own")
    parser.add_argument("--batches", default="1,4")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=MIXED_PRECISION, default="float32", help="of both")
    parser.add_argument("--peer-precision", choices=MIXED_PRECISION, help="of the scripts, where it is another one")
    parser.add_argument(
        "--only", choices=["diffusers", "retrato"], help="one alone, which gives its own peak of memory"
    )
    options = parser.parse_args()
    if not (options.script or options.kohya):
        parser.error("name a script to be compared with: --script or --kohya")
    if options.kohya and (not options.family or options.reduced):
        parser.error("kohya's script takes the full width of Stable Diffusion only: --family sd1, without --reduced")
    torch.set_num_threads(options.threads)
    results = []
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="retrato-benchmark-")))
        if options.precision == "float32":  # which retrato would leave by itself from a batch of four on
            stack.enter_context(mock.patch.object(frozen, "uses_bfloat16", return_value=False))
        model = Path(model_path(options.model))
        if options.family:  # in a process of its own, whose memory does not count
            with ProcessPoolExecutor(1) as other:
                model = other.submit(
                    save_random_model, work / "model", options.family, is_reduced=options.reduced
                ).result()
        photos = work / "photos"
        shutil.copytree(options.photos, photos, ignore=lambda _, names: [n for n in names if not n.endswith(".png")])
        print(f"{'batch':>5} {'':10}{'cpu s':>8}{'wall s':>8}{'G operations':>14}{'kept MB':>9}")
        for batch_size in map(int, options.batches.split(",")):
            results.append(compare(options, model, photos, batch_size, work))
            _print(results[-1])
    said = {
        **circumstances(),
        "model": options.family or model.name,
        "threads": options.threads,
        "precision": {"peers": options.peer_precision or options.precision, "retrato": options.precision},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps({**said, "steps": results}))
    tolerance = max(TOLERANCE[each] for each in said["precision"].values())
    differences = [each["gradient_difference"] for found in results for each in found["beside"].values()]
    sys.exit(any(difference > tolerance for difference in differences))


def _print(found: dict[str, Any]) -> None:
    """Prints the rows of one size of batch."""
    for name, count in found["counts"].items():
        print(
            f"{found['batch']:5} {name:10}{found['cpu_seconds'][name]:8.3f}{found['wall_seconds'][name]:8.3f}"
            f"{count['giga_operations']:14.2f}{count['kept_mega_bytes']:9.0f}",
            flush=True,
        )
    for name, beside in found["beside"].items():
        low, high = beside["from_to"]
        print(
            f"{'':6}{beside['ratio']:.2f} times as fast as {name} ({low:.2f} to {high:.2f}), gradient differs by "
            f"{beside['gradient_difference']:.1e}",
            flush=True,
        )
    if "preparing_cpu_seconds" in found:
        print(f"{'':6}all photos encoded in {found['preparing_cpu_seconds']:.1f} cpu s", flush=True)


if __name__ == "__main__":
    main()
