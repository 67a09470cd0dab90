"""All weights of a small model as one flat vector, updated by AdamW with a moving average, by one or more processes.

On a CPU two processes of one thread each beat one process of two: they map the same vector, each writes its gradient
to shared memory and then updates its own slice, so there is no all-reduce and each does half of the optimizer's work.
On CUDA the same class holds the vector on the device and one process updates all of it.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import Parameter


def half_is_fast(device: str) -> bool:
    """True where bfloat16 is computed by the hardware; where it is not, a CPU is fifty times slower with it."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def mixed_precision(device: str) -> AbstractContextManager[None]:
    """bfloat16 autocast where it is fast, else plain float32."""
    return torch.autocast(device, torch.bfloat16) if half_is_fast(device) else nullcontext()


class FlatWeights:
    """The vector, its moving average, AdamW's two averages, and the barrier at which the processes meet."""

    def __init__(self, parameters: Iterable[Parameter], world: int = 1, device: str = "cpu") -> None:
        parameters = list(parameters)
        self.world, self.sizes = world, [p.numel() for p in parameters]
        place = (lambda t: t.share_memory_()) if device == "cpu" else (lambda t: t.to(device))
        self.flat = place(torch.cat([p.detach().reshape(-1).float().cpu() for p in parameters]))
        self.count = self.flat.numel()
        self.average = place(self.flat.clone().cpu())
        self.gradients = place(torch.zeros(world, self.count))
        self.first, self.second = place(torch.zeros(self.count)), place(torch.zeros(self.count))
        self.norms = torch.zeros(world, dtype=torch.float64).share_memory_()
        self.flags = torch.zeros(3, dtype=torch.int64).share_memory_()  # steps done, stop asked for, stopping
        self.barrier = torch.multiprocessing.get_context("fork").Barrier(world)

    @property
    def stopping(self) -> bool:
        """True in every process after the same step, once SIGTERM or Ctrl-C asked for it."""
        return bool(self.flags[2])

    def attach(self, parameters: Iterable[Parameter], rank: int) -> None:
        """Makes the module's weights and gradients views of the vectors; to be called in each process."""
        offset = 0
        for p, size in zip(parameters, self.sizes, strict=True):
            p.data = self.flat[offset : offset + size].view(p.shape)
            p.grad = self.gradients[rank, offset : offset + size].view(p.shape)
            offset += size
        self.rank = rank
        self.part = slice(self.count * rank // self.world, self.count * (rank + 1) // self.world)

    @property
    def steps(self) -> int:
        """Steps done so far, over all runs."""
        return int(self.flags[0])

    def step(
        self, rate: float, *, decay: float = 0.01, beta2: float = 0.99, clip: float = 1.0, keep: float = 0.998
    ) -> float:
        """One AdamW step from the mean gradient; gives its norm. A non-finite gradient changes nothing."""
        part = self.part
        self.barrier.wait()  # every gradient is complete
        gradient = self.gradients[:, part].mean(0)
        self.norms[self.rank] = gradient.dot(gradient).item()
        step = self.steps + 1
        self.barrier.wait()
        norm = math.sqrt(self.norms.sum().item())
        if math.isfinite(norm) and norm < 1e4:
            gradient.mul_(min(1.0, clip / (norm + 1e-6)))
            torch._fused_adamw_(
                [self.flat[part]], [gradient], [self.first[part]], [self.second[part]], [],
                [torch.tensor(float(step), device=self.flat.device)], lr=rate, beta1=0.9, beta2=beta2,
                weight_decay=decay, eps=1e-8, amsgrad=False, maximize=False,
            )  # fmt: skip
            self.average[part].lerp_(self.flat[part], 1 - min(keep, (1 + step) / (10 + step)))
        self.gradients[self.rank].zero_()
        if self.rank == 0:
            self.flags[0], self.flags[2] = step, self.flags[1]
        self.barrier.wait()  # every part is updated, and all see the same flags
        return norm

    def save(self, path: Path) -> None:
        """Writes everything needed to go on, atomically; halved to bfloat16 (the second average by its root)."""
        half = torch.bfloat16
        state = {
            "flat": self.flat.cpu().clone(), "average": self.average.cpu().clone(), "first": self.first.to(half).cpu(),
            "second_root": self.second.sqrt().to(half).cpu(), "steps": self.steps,
        }  # fmt: skip
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def restore(self, path: Path) -> None:
        """Goes on from a saved state."""
        state = torch.load(path, weights_only=True)
        self.flat.copy_(state["flat"])
        self.average.copy_(state["average"])
        self.first.copy_(state["first"].float())
        self.second.copy_(state["second_root"].float().square())
        self.flags[0] = state["steps"]


def run(work: Callable[[int, FlatWeights], None], weights: FlatWeights) -> None:
    """Runs `work(rank, weights)` in each process; SIGTERM and Ctrl-C ask all of them to save and stop."""

    def stop(*_: object) -> None:
        weights.flags[1] = 1

    if weights.world == 1:
        signal.signal(signal.SIGTERM, stop)
        work(0, weights)
        return
    context = torch.multiprocessing.get_context("fork")
    processes = [context.Process(target=_deaf, args=(work, rank, weights)) for rank in range(weights.world)]
    for process in processes:
        process.start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for process in processes:
        process.join()


def _deaf(work: Callable[[int, FlatWeights], None], rank: int, weights: FlatWeights) -> None:
    """Works in a process that leaves signals to its parent."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(rank, weights)


def train_alone(
    module: nn.Module,
    loss_at: Callable[[int], Tensor],
    state: Path,
    *,
    steps: int,
    rate: float,
    decay: float,
    report: Callable[[], str],
    every: int = 250,
) -> None:
    """Trains `module` with AdamW in this process, from the saved `state` on if there is one; SIGTERM saves and leaves.

    `loss_at(step)` draws everything random from `step`, so a run that was interrupted goes on as if it had not been.
    """
    optimizer = torch.optim.AdamW(module.parameters(), rate, betas=(0.9, 0.98), weight_decay=decay)
    first, start, asked = 0, time.time(), []
    if state.exists():
        saved = torch.load(state, weights_only=True)
        module.load_state_dict(saved["module"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 200) * (1 - step / steps)
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % every == 0 or step + 1 == steps or asked:
            temporary = state.with_suffix(".tmp")
            torch.save(
                {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, temporary
            )
            os.replace(temporary, state)
            print(f"step {step + 1}, loss {loss.item():.3f}, {time.time() - start:.0f} s, {report()}", flush=True)
            if asked:
                raise SystemExit(f"stopped after {step + 1} steps: the same command goes on")


def rate_at(step: int, steps: int, peak: float, *, warm_up: int = 100, flat: float = 0.4) -> float:
    """Warm-up, a plateau over the share `flat` of all steps, then a straight line to (almost) zero."""
    left = (1 - step / steps) / (1 - flat)
    return max(peak * min(1.0, (step + 1) / warm_up, left), peak * 0.01)


class Clock:
    """Says when `seconds` have passed since it last did."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.last = seconds, time.monotonic()

    def due(self) -> bool:
        """True once every `seconds`."""
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True
