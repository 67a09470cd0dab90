"""kohya's train_textual_inversion.py, one step at a time, as orders come: runs in the Python of that program's own.

    PYTHON -m benchmarks.kohya_process SD_SCRIPTS [arguments of the script]

It says `{}` when the first step is near. An order is a line: `step` makes one and answers with its seconds, `count`
makes one and answers with what it did, `seen FILE` saves the latest step from inside. The end of orders is the end.
The script is as its authors wrote it; it wants torchvision for nothing but making a tensor of a picture, which is not
installed beside this torch, so that a stand-in does it. Imports nothing of retrato.
"""

import contextlib
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from types import ModuleType
from typing import Any

import numpy
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmarks.step_counter import Counter


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: list[Any]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        """Gives what the last one gives."""
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """A picture's pixels [C, h, w] from 0 to 1."""

    def __call__(self, image: Any) -> torch.Tensor:
        """Gives the pixels."""
        return torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float() / 255


class Normalize:
    """Pixels minus a mean, as multiples of a deviation; the same for each channel here."""

    def __init__(self, mean: list[float], deviation: list[float]) -> None:
        self.mean, self.deviation = mean[0], deviation[0]

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Gives the pixels."""
        return (pixels - self.mean) / self.deviation


class Orders:
    """Stands in for the script's progress bar: waits for an order before the first step and after each."""

    def __init__(self, *_: object, **__: object) -> None:
        self._open: contextlib.ExitStack = contextlib.ExitStack()
        self._answer: Any = None
        self._say({})
        self._wait()

    def update(self, _: int) -> None:
        """Answers the order that asked for the step, and waits for the next one."""
        self._open.close()
        self._say(self._answer())
        self._wait()

    def set_postfix(self, **_: object) -> None:
        """Shows nothing."""

    def _say(self, what: object) -> None:
        print(json.dumps(what), file=WIRE, flush=True)

    def _wait(self) -> None:
        while True:
            order, _, file = sys.stdin.readline().strip().partition(" ")
            if order != "seen":
                break
            torch.save(SEEN, file)
            self._say({})
        if order == "count":
            counter = self._open.enter_context(Counter())
            self._answer = lambda: asdict(counter.count())
        elif order == "step":
            cpu, wall = time.process_time(), time.perf_counter()
            self._answer = lambda: {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        else:
            os._exit(0)  # the script would go on to save what it has learned


SEEN: dict[str, torch.Tensor] = {}
WIRE = os.fdopen(os.dup(1), "w")


def main() -> None:
    """Runs the script."""
    os.dup2(2, 1)  # what it prints is for nobody here
    for library in ("transformers", "diffusers"):  # they look for the real torchvision, once, and go on without
        importlib.import_module(library)
    package, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
    vars(package)["transforms"] = transforms
    vars(transforms).update(Compose=Compose, ToTensor=ToTensor, Normalize=Normalize)
    sys.modules |= {"torchvision": package, "torchvision.transforms": transforms}
    sys.path.insert(0, sys.argv.pop(1))
    script = importlib.import_module("train_textual_inversion")
    arguments = script.setup_parser().parse_args()
    draw, vectors = script.train_util.get_noise_noisy_latents_and_timesteps, int(arguments.num_vectors_per_token)

    def drawn(options: Any, scheduler: Any, latents: torch.Tensor) -> Any:
        noise, noisy, timesteps = draw(options, scheduler, latents)
        SEEN.update(latents=latents.float(), noise=noise.float(), timesteps=timesteps)
        return noise, noisy, timesteps

    def looked(optimizer: torch.optim.Optimizer, *_: object) -> None:
        (table,) = optimizer.param_groups[0]["params"]
        SEEN.update(vectors=table.detach()[-vectors:].clone(), gradient=table.grad[-vectors:].clone())

    vars(script.train_util)["get_noise_noisy_latents_and_timesteps"] = drawn
    vars(script)["tqdm"] = Orders
    register_optimizer_step_pre_hook(looked)
    script.TextualInversionTrainer().train(arguments)


if __name__ == "__main__":
    main()
