"""A real server on a real port: A1111's client from PyPI, and a crash in the middle of it all."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import webuiapi
from PIL import Image

from retrato.jobs import JobQueue, order_drawing, order_training
from retrato.server import create_app
from retrato.settings import GenerateSettings, ServerSettings, TrainSettings
from retrato.studio import Studio

from .conftest import draw_photo


class Running:
    """A server in this process; `port` is where."""

    def __init__(self, studio: Studio, settings: ServerSettings) -> None:
        self.server = uvicorn.Server(uvicorn.Config(create_app(studio, settings), port=0, log_level="error"))
        self._started = threading.Event()
        self.server.startup = self._telling(self.server.startup)  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def _telling(self, startup: Any) -> Any:
        async def told(*arguments: Any, **named: Any) -> None:
            await startup(*arguments, **named)
            self._started.set()

        return told

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._started.wait(60)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Running]:
    studio = Studio.open(tiny_folder, home=tmp_path_factory.mktemp("webuiapi"), device="cpu")
    with Running(studio, ServerSettings()) as running:
        yield running


def test_a1111s_client_works_unchanged(server: Running) -> None:
    api = webuiapi.WebUIApi(port=server.port, sampler="Euler a", steps=2)
    drawn = api.txt2img(prompt="a cat", negative_prompt="a dog", seed=7, width=64, height=64, n_iter=2)
    assert [image.size for image in drawn.images] == [(64, 64)] * 2
    assert drawn.info["all_seeds"] == [7, 8]
    assert drawn.image.info["parameters"] == drawn.info["infotexts"][0]
    assert api.png_info(drawn.image).info == drawn.info["infotexts"][0]
    enlarged = api.extra_single_image(drawn.image, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5)
    assert enlarged.image.size == (96, 96)
    assert len(api.extra_batch_images(drawn.images, upscaler_1="Nearest").images) == 2
    assert "Euler a" in api.util_get_sampler_names()
    assert "automatic" in api.util_get_scheduler_names()
    api.util_set_model(api.util_get_current_model())
    api.util_wait_for_ready()
    assert api.get_progress()["state"]["job_count"] == 0
    for ask in (
        *(api.get_options, api.get_cmd_flags, api.get_samplers, api.get_sd_vae, api.get_upscalers, api.get_sd_models),
        *(api.get_latent_upscale_modes, api.get_loras, api.get_hypernetworks, api.get_face_restorers, api.get_scripts),
        *(api.get_realesrgan_models, api.get_prompt_styles, api.get_embeddings, api.get_memory, api.get_schedulers),
        *(api.refresh_checkpoints, api.interrupt, api.skip, api.get_artists, api.get_artist_categories),
    ):
        ask()
    assert "there is no model" in api.set_options({"sd_model_checkpoint": "none"})["detail"]
    with pytest.raises(RuntimeError, match="sampler"):
        api.txt2img(sampler_name="none", width=64, height=64)
    made = api.custom_post("create/embedding", {"name": "made-1"}, baseurl=True)
    assert made.info.startswith("create embedding filename")


def test_img2img_through_a1111s_client(server: Running) -> None:
    api = webuiapi.WebUIApi(port=server.port, sampler="Euler a", steps=2)
    drawn = api.img2img(images=[draw_photo(1)], prompt="a cat", seed=7, width=64, height=64)
    assert drawn.image.size == (64, 64)
    masked = api.img2img(images=[draw_photo(1)], mask_image=Image.new("L", (64, 64), 255), width=64, height=64)
    assert masked.image.size == (64, 64)


def test_who_drops_out_and_comes_back_misses_nothing(server: Running) -> None:
    """Two tabs at one job; one loses its connection and goes on after the last event it had. Then it is cancelled."""
    url = f"http://127.0.0.1:{server.port}/api/v1/jobs"
    body = {"kind": "draw", "settings": {"prompt": "a cat", "steps": 150, "width": 64, "height": 64, "count": 100}}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        job = f"{url}/{json.loads(answer.read())['id']}"
    with _stream(job) as other:
        with _stream(job) as first:
            had = [next(first) for _ in range(4)]
        with _stream(job, after=had[-1]["number"]) as again:
            had += [next(again) for _ in range(3)]
            with urllib.request.urlopen(f"{job}/preview", timeout=60) as answer:
                assert answer.read().startswith(b"\x89PNG")
            with urllib.request.urlopen(urllib.request.Request(job, method="DELETE"), timeout=60) as answer:
                wished = time.monotonic()
            had += list(again)
        assert time.monotonic() - wished < 30  # and not as long as it takes to draw a hundred pictures
        assert had == list(other)
    with urllib.request.urlopen(f"{job}/history", timeout=60) as answer:
        assert json.loads(answer.read()) == had
    assert [event["kind"] for event in had[:2]] == ["queued", "running"]
    assert had[-1]["kind"] == "cancelled"
    with urllib.request.urlopen(f"{url}?state=running", timeout=60) as answer:
        assert json.loads(answer.read()) == []


@contextmanager
def _stream(job: str, after: int = 0) -> Iterator[Iterator[dict[str, Any]]]:
    """Gives the events of a job as they come in, after number `after`."""
    request = urllib.request.Request(f"{job}/events", headers={"Last-Event-ID": str(after)})
    with urllib.request.urlopen(request, timeout=120) as stream:
        yield (json.loads(line.removeprefix(b"data: ")) for line in stream if line.startswith(b"data: "))


@pytest.mark.slow
def test_a_killed_server_goes_on_where_it_was(tmp_path: Path, tiny_folder: Path) -> None:
    """A training and twenty drawings behind it; kill -9 in the middle; the order is kept and nothing is done twice."""
    home, photos = tmp_path / "home", tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        draw_photo(number).save(photos / f"{number}.png")
    queue = JobQueue(home)
    training = order_training(queue, photos, TrainSettings(name="ana-t1", steps=20, batch_size=1, save_every=5))
    drawings = [
        order_drawing(queue, GenerateSettings(prompt=f"cat {number}", seed=number, steps=1, width=64, height=64))
        for number in range(20)
    ]
    with _serving(home, tiny_folder) as server:
        _listen_until(server, training.id, "saved")
        server.process.kill()
    with _serving(home, tiny_folder) as server:
        _listen_until(server, drawings[-1].id, "done")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    jobs = [queue.get(job.id) for job in (training, *drawings)]
    assert [job.state for job in jobs] == ["done"] * 21
    ended = [job.ended for job in jobs]
    assert ended == sorted(ended)  # type: ignore[type-var]
    for job in jobs:
        assert len(queue.events(job.id, kinds=("done",))) == 1
    steps = [event.data["step"] for event in queue.events(training.id, kinds=("saved",))]
    assert steps == sorted(set(steps))
    restarted = queue.events(training.id, kinds=("prepared",))
    assert len(restarted) == 2
    assert restarted[1].data["first_step"] >= 5
    assert len(list((home / "textual_inversion").glob("*/*"))) == 1


class _serving:
    """`retrato serve` as a process of its own."""

    def __init__(self, home: Path, model: Path) -> None:
        command = [sys.executable, "-m", "retrato", "serve", "--port", "0", "--model", str(model), "--device", "cpu"]
        environment = {**os.environ, "RETRATO_HOME": str(home)}
        self.process = subprocess.Popen(
            [*command, "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "_serving":
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def _listen_until(server: _serving, job: str, kind: str) -> None:
    """Reads the job's events until one of that kind; the stream itself does the waiting."""
    with urllib.request.urlopen(f"{server.url}api/v1/jobs/{job}/events", timeout=120) as stream:
        for line in stream:
            assert line != b"event: failed\n", next(stream)
            if line == f"event: {kind}\n".encode():
                return
    raise AssertionError(f"the events ended without {kind}")
