"""A1111's API: its own tests' requests, and what it never tested: that the answers say what was asked."""

import asyncio
import base64
import io
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from retrato.embeddings import Embedding, write_embedding
from retrato.errors import PhotoError
from retrato.generation import format_infotext
from retrato.jobs import Job, JobQueue, order_captions, order_drawing
from retrato.sampling.samplers import find_sampler
from retrato.server import create_app
from retrato.server.answers import in_pieces
from retrato.server.api import sdapi_extras
from retrato.server.api.sdapi import _settings
from retrato.server.api.sdapi_fields import BOTH, IMG2IMG, TXT2IMG, from_infotext, joined_blur
from retrato.server.api.sdapi_models import Asking, Img2Img, Txt2Img
from retrato.server.service import Service
from retrato.settings import GenerateSettings, ServerSettings
from retrato.studio import Studio

HOME = "http://127.0.0.1:7860"
SIMPLE = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 3, "sampler_name": "Euler a"}


def post(client: TestClient, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = client.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def encoded(image: Image.Image, **text: str) -> str:
    buffer, notes = io.BytesIO(), PngInfo()
    for name, value in text.items():
        notes.add_text(name, value)
    image.save(buffer, "PNG", pnginfo=notes)
    return base64.b64encode(buffer.getvalue()).decode()


def noise(size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8))


# --- A1111's own requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"negative_prompt": "example negative prompt"},
        {"prompt": "((emphasis)), (emphasis1:1.1), [to:1], [from::2], [from:to:0.3], [alt|alt1]"},
        {"height": 128},
        {"sampler_name": "PLMS"},
        {"sampler_name": "DDIM"},
        {"sampler_name": "UniPC"},
        {"sampler_name": None, "sampler_index": "Euler a"},
        {"scheduler": "automatic"},
        {"enable_hr": False, "tiling": False, "restore_faces": False, "styles": [], "script_name": None},
    ],
)
def test_a1111s_own_requests_are_answered(client: TestClient, changes: dict[str, Any]) -> None:
    asked = SIMPLE | changes
    answer = post(client, "txt2img", asked)
    (image,) = answer["images"]
    assert picture(image).size == (asked["width"], asked["height"])
    assert answer["parameters"].items() >= asked.items()


def test_the_request_comes_back_with_the_defaults_that_it_left_open(client: TestClient) -> None:
    said = post(client, "txt2img", SIMPLE)["parameters"]
    assert said.items() >= {"cfg_scale": 7.0, "sampler_index": "Euler", "n_iter": 1, "script_args": []}.items()


def test_a_sampler_that_is_not_there_has_a1111s_status(client: TestClient) -> None:
    answer = post(client, "txt2img", SIMPLE | {"sampler_name": "not there"}, status=400)
    assert (answer["error"], answer["detail"].split(":")[0]) == ("HTTPException", "sampler is 'not there'")


def test_names_from_the_lists_of_samplers_and_schedules_are_taken(client: TestClient, service: Service) -> None:
    options: tuple[Any, ...] = ((*BOTH, *TXT2IMG), service.overrides())
    for row in client.get("/sdapi/v1/samplers").json():
        for alias in row["aliases"]:
            assert find_sampler(_settings({"sampler_name": alias}, *options)["sampler"])[0].name == row["name"]
    for row in client.get("/sdapi/v1/schedulers").json():
        said = _settings({"sampler_name": "Euler", "scheduler": row["name"]}, *options)
        assert find_sampler("Euler", said["schedule"])[1] == row["label"]


def test_one_side_of_the_second_pass_is_enough(client: TestClient) -> None:
    asked = {"enable_hr": True, "hr_resize_x": 96, "height": 128, "denoising_strength": 0.5}
    assert picture(post(client, "txt2img", SIMPLE | asked)["images"][0]).size == (96, 192)


@pytest.mark.parametrize(("batch_size", "n_iter"), [(1, 2), (2, 1), (2, 2)])
def test_batches_are_the_pictures_of_the_following_seeds(client: TestClient, batch_size: int, n_iter: int) -> None:
    answer = post(client, "txt2img", SIMPLE | {"batch_size": batch_size, "n_iter": n_iter})
    info = json.loads(answer["info"])
    count = batch_size * n_iter
    assert info["all_seeds"] == list(range(3, 3 + count))
    assert len(answer["images"]) == len(info["infotexts"]) == len(info["all_prompts"]) == count


def test_info_says_what_was_drawn(client: TestClient) -> None:
    asked = {"negative_prompt": "no", "cfg_scale": 5.5, "override_settings": {"CLIP_stop_at_last_layers": 2}}
    answer = post(client, "txt2img", SIMPLE | asked)
    info = json.loads(answer["info"])
    said = {name: info[name] for name in ("prompt", "negative_prompt", "seed", "cfg_scale", "steps", "clip_skip")}
    assert said == {"prompt": "a cat", "negative_prompt": "no", "seed": 3, "cfg_scale": 5.5, "steps": 2, "clip_skip": 2}
    assert (info["sampler_name"], info["width"], info["height"]) == ("Euler a", 64, 64)
    assert picture(answer["images"][0]).info["parameters"] == info["infotexts"][0]


def test_info_says_what_was_filled_in(client: TestClient, service: Service) -> None:
    def info(**changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(post(client, "txt2img", SIMPLE | changes)["info"])
        return found

    varied = info(subseed=7, subseed_strength=0.5, n_iter=2)
    assert (varied["all_seeds"], varied["all_subseeds"]) == ([3, 3], [7, 8])
    assert info(enable_hr=True)["denoising_strength"] == 0.7
    (service.home / "styles.csv").write_text("name,prompt,negative_prompt\none,{prompt} in oil,dull\n", "utf-8")
    try:
        styled = info(styles=["one"])
    finally:
        (service.home / "styles.csv").unlink()
    assert (styled["prompt"], styled["all_negative_prompts"]) == ("a cat in oil", ["dull"])


def test_pictures_are_kept_only_where_asked(client: TestClient) -> None:
    def known() -> int:
        return len(client.get("/api/v1/pictures").json())

    before = known()
    assert post(client, "txt2img", SIMPLE | {"send_images": False})["images"] == []
    assert known() == before
    post(client, "txt2img", SIMPLE | {"save_images": True})
    assert known() == before + 1
    assert not list(client.app.state.service.home.glob("jobs/*"))  # type: ignore[attr-defined]


def test_a_request_without_steps_takes_a1111s_default(client: TestClient) -> None:
    steps = json.loads(post(client, "txt2img", {"width": 64, "height": 64})["info"])["steps"]
    assert steps == 50


@pytest.mark.parametrize(("path", "kind"), [("txt2img", Txt2Img), ("img2img", Img2Img)])
def test_null_means_what_is_not_sent_means(client: TestClient, path: str, kind: type[Asking]) -> None:
    sent = SIMPLE | ({"init_images": [encoded(noise())]} if path == "img2img" else {})
    empty = dict.fromkeys(kind.model_fields, None) | {"no_such_field": None}
    options = {"override_settings": {"samples_format": None, "CLIP_stop_at_last_layers": None}}
    answer = post(client, path, empty | sent | options)
    plain = post(client, path, sent)
    assert picture(answer["images"][0]).tobytes() == picture(plain["images"][0]).tobytes()
    assert answer["info"].replace(json.loads(answer["info"])["job_timestamp"], "") == plain["info"].replace(
        json.loads(plain["info"])["job_timestamp"], ""
    )
    assert answer["parameters"] == plain["parameters"] | options


SCRIPTS = {
    "Refiner": {"args": [False, "", 0.8]},
    "Sampler": {"args": [20, "DPM++ 2M", "Automatic"]},
    "Seed": {"args": [-1, False, -1, 0, 0, 0]},
    "ADetailer": {"args": [False, {"ad_model": "face_yolov8n.pt"}]},
    "ControlNet": {"args": [{"enabled": False}]},
}


@pytest.mark.parametrize(
    ("sent", "left_out"),
    [
        ({"url": "http://localhost:7860", "clip_skip": 1, "sampler_name": "DDIM", "scheduler": "normal"},
         ["url", "clip_skip"]),  # SillyTavern as it is delivered
        ({"styles": ["None"]}, None),  # AIYA
        ({"styles": ["None"], "enable_hr": True, "hr_second_pass_steps": 12.5, "mask_blur": 4,
          "firstphase_width": 0.0, "hr_scheduler": "Automatic", "hr_scale": 1}, ["mask_blur"]),
        ({"selection_info": {"left": 0}, "original_prompt": "a cat", "uniqueDocumentId": "1", "mode": "txt2img",
          "session_id": 3}, ["selection_info", "original_prompt", "uniqueDocumentId", "mode", "session_id"]),
        ({"seed_enable_extras": True, "alwayson_scripts": SCRIPTS}, ["seed_enable_extras"]),  # copied payloads
        ({"width": 71, "height": 64.67, "override_settings": {
            "enable_pnginfo": True, "samples_save": True, "return_grid": False, "img2img_fix_steps": False,
            "face_restoration_model": "CodeFormer"}}, None),
    ],
)  # fmt: skip
def test_what_well_known_clients_send_is_drawn(
    client: TestClient, sent: dict[str, Any], left_out: list[str] | None
) -> None:
    body = {**SIMPLE, "steps": 1, **sent}
    answer = client.post("/sdapi/v1/txt2img", content=json.dumps(body)).json()  # without saying what it is
    assert picture(answer["images"][0]).size == (64, 64)
    assert answer.get("left_out") == left_out
    assert not answer["parameters"].keys() & set(left_out or ())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sampler_name": "DDIM", "scheduler": "Karas"}, "schedule is 'Karas'"),
        ({"sampler_name": "LCM", "scheduler": "Karras"}, "LCM takes only Automatic"),
    ],
)
def test_a_schedule_that_a_sampler_heeds_or_nobody_has_is_said(
    client: TestClient, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in post(client, "txt2img", SIMPLE | changes, status=400)["detail"]


def test_the_second_pass_has_the_schedule_that_is_asked_for(client: TestClient) -> None:
    two = SIMPLE | {"sampler_name": "Euler", "enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}
    text = json.loads(post(client, "txt2img", two | {"hr_scheduler": "Karras"})["info"])["infotexts"][0]
    assert "Hires sampler: Euler Karras" in text
    refused = post(client, "txt2img", two | {"scheduler": "Karras", "hr_scheduler": "Automatic"}, status=422)
    assert "hr_scheduler is 'Automatic', but the first pass has 'Karras'" in refused["detail"]


def test_comments_are_not_drawn_and_a_pictures_text_has_none(client: TestClient) -> None:
    said = post(client, "txt2img", SIMPLE | {"prompt": "a cat # and a dog", "steps": 1})
    assert json.loads(said["info"])["infotexts"][0].startswith("a cat \nSteps: 1")
    off = {"override_settings": {"enable_prompt_comments": False}}
    said = post(client, "txt2img", SIMPLE | {"prompt": "a cat # and a dog", "steps": 1} | off)
    assert json.loads(said["info"])["infotexts"][0].startswith("a cat # and a dog\n")
    text = "a hat #9\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"
    said = post(client, "txt2img", {"infotext": text})
    assert json.loads(said["info"])["infotexts"][0].startswith("a hat #9\n")


def test_an_interrupted_drawing_answers_with_what_was_to_be_seen(client: TestClient, service: Service) -> None:
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(post(client, "txt2img", SIMPLE | {"steps": 150})))
    asking.start()
    while not any(service.queue.preview(job.id) for job in service.queue.jobs(states=("running",))):
        time.sleep(0.01)
    client.post("/sdapi/v1/interrupt")
    asking.join()
    (answer,) = answers
    assert [picture(each).size for each in answer["images"]] == [(64, 64)]
    assert not list(service.home.glob("jobs/*"))


# --- what cannot be done is said --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps"),
        ({"width": 63}, "width"),
        ({"width": 4096}, "width"),
        ({"batch_size": 9}, "batch_size"),
        ({"script_name": "sd upscale"}, "there are no scripts here"),
        ({"alwayson_scripts": {"ControlNet": {"args": [{"enabled": True}]}}}, "there are no scripts here"),
        ({"override_settings": {"no_such_option": 1}}, "no_such_option"),
        ({"override_settings": {"sd_model_checkpoint": "none.ckpt"}}, "there is no model"),
        ({"seed_resize_from_w": 128}, "only one was sent"),
        ({"refiner_checkpoint": "other"}, "refiner_checkpoint"),
        ({"s_churn": 0.5}, "s_churn"),
        ({"prompt": "x" * 16001}, "prompt"),
        ({"cfg_scale": "seven"}, "cfg_scale"),
    ],
)
def test_what_is_wrong_is_no_success(client: TestClient, changes: dict[str, Any], sentence: str) -> None:
    answer = post(client, "txt2img", SIMPLE | changes, status=422)
    assert sentence in answer["detail"]
    assert "Traceback" not in answer["detail"]


@pytest.mark.parametrize(
    "changes",
    [
        {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.5, "hr_upscaler": "Latent"},
        {"tiling": True},
        {"subseed": 5, "subseed_strength": 0.5},
        {"seed_resize_from_w": 128, "seed_resize_from_h": 128},
        {"eta": 1.0, "sampler_name": "Euler"},
    ],
)
def test_what_draws_differently_in_a1111_does_so_here(client: TestClient, changes: dict[str, Any]) -> None:
    plain = post(client, "txt2img", SIMPLE)["images"][0]
    (changed,) = post(client, "txt2img", SIMPLE | changes)["images"]
    assert picture(changed).tobytes() != picture(plain).tobytes()
    assert picture(changed).size == ((128, 128) if "enable_hr" in changes else (64, 64))


def test_drawing_over_a_picture_keeps_what_the_mask_says(client: TestClient) -> None:
    below = noise()
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    asked = SIMPLE | {"init_images": [encoded(below)], "mask": encoded(mask), "mask_blur": 0, "inpaint_full_res": False}
    answer = post(client, "img2img", asked)
    drawn = picture(answer["images"][0]).convert("RGB")
    assert drawn.crop((0, 0, 28, 64)).tobytes() == below.crop((0, 0, 28, 64)).tobytes()
    assert drawn.crop((36, 0, 64, 64)).tobytes() != below.crop((36, 0, 64, 64)).tobytes()
    assert answer["parameters"]["init_images"] is None
    assert "denoising_strength" in json.loads(answer["info"])
    over = post(client, "img2img", SIMPLE | {"init_images": ["data:image/png;base64," + encoded(below)]})
    assert picture(over["images"][0]).size == (64, 64)


@pytest.mark.parametrize(
    "changes",
    [
        {"s_min_uncond": 0.5},
        {"disable_extra_networks": True},
        {"firstpass_image": "x"},
        {"firstphase_width": 64},
        {"hr_checkpoint_name": "other", "enable_hr": True},
    ],
)
def test_what_the_settings_have_no_word_for_is_refused_and_never_ignored(
    client: TestClient, changes: dict[str, Any]
) -> None:
    assert "cannot do that (yet)" in post(client, "txt2img", SIMPLE | changes, status=422)["detail"]


# Every field of A1111 1.10's own OpenAPI document with its default there.
BOTH_DEFAULTS = {
    "negative_prompt": "", "styles": None, "subseed": -1, "subseed_strength": 0, "seed_resize_from_h": -1,
    "seed_resize_from_w": -1, "scheduler": None, "batch_size": 1, "n_iter": 1, "cfg_scale": 7.0, "restore_faces": None,
    "tiling": None, "do_not_save_samples": False, "do_not_save_grid": False, "eta": None, "denoising_strength": None,
    "s_min_uncond": None, "s_churn": None, "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": None,
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None, "refiner_switch_at": None,
    "disable_extra_networks": False, "comments": None, "force_task_id": None, "sampler_index": "Euler",
    "script_name": None, "script_args": [], "send_images": True, "save_images": False, "alwayson_scripts": {},
    "infotext": None,
}  # fmt: skip
TXT2IMG_DEFAULTS = {
    "firstpass_image": None, "enable_hr": False, "firstphase_width": 0, "firstphase_height": 0, "hr_scale": 2.0,
    "hr_upscaler": None, "hr_second_pass_steps": 0, "hr_resize_x": 0, "hr_resize_y": 0, "hr_checkpoint_name": None,
    "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "", "hr_negative_prompt": "",
}  # fmt: skip
IMG2IMG_DEFAULTS = {
    "resize_mode": 0, "image_cfg_scale": None, "mask": None, "mask_blur_x": 4, "mask_blur_y": 4, "mask_blur": None,
    "mask_round": True, "inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0,
    "inpainting_mask_invert": 0, "initial_noise_multiplier": None, "latent_mask": None, "include_init_images": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "defaults", "more"),
    [("txt2img", TXT2IMG_DEFAULTS, {}), ("img2img", IMG2IMG_DEFAULTS, {"denoising_strength": 0.75})],
)
def test_a1111s_defaults_are_known_and_sending_them_changes_nothing(
    client: TestClient, path: str, defaults: dict[str, Any], more: dict[str, Any]
) -> None:
    below = {"init_images": [encoded(noise())]} if path == "img2img" else {}
    plain = post(client, path, SIMPLE | below)
    full = post(client, path, {**BOTH_DEFAULTS, **defaults, **more, **SIMPLE, **below})
    assert picture(full["images"][0]).tobytes() == picture(plain["images"][0]).tobytes()
    document = client.get("/openapi.json").json()["components"]["schemas"]
    fields = document["Txt2Img" if path == "txt2img" else "Img2Img"]["properties"]
    assert {*BOTH_DEFAULTS, *defaults, *SIMPLE} <= set(fields)
    for name, default in {**BOTH_DEFAULTS, **defaults, "steps": 50, "width": 512, "height": 512, "seed": -1}.items():
        assert fields[name].get("default") in (default, None), name


def test_a_pictures_text_fills_in_what_was_not_sent(client: TestClient) -> None:
    text = "a dog\nNegative prompt: no\nSteps: 3, Sampler: DDIM, CFG scale: 4, Seed: 9, Size: 64x128, Clip skip: 2"
    answer = post(client, "txt2img", {"infotext": text, "seed": 11})
    info = json.loads(answer["info"])
    drawn = {name: info[name] for name in ("prompt", "negative_prompt", "steps", "sampler_name", "cfg_scale", "seed")}
    assert drawn == {
        "prompt": "a dog",
        "negative_prompt": "no",
        "steps": 3,
        "sampler_name": "DDIM",
        "cfg_scale": 4.0,
        "seed": 11,
    }
    assert (info["width"], info["height"], info["clip_skip"]) == (64, 128, 2)
    bad = text.replace("Steps: 3", "Steps: many")
    assert "no number" in post(client, "txt2img", {"infotext": bad}, status=422)["detail"]


@pytest.mark.parametrize(
    ("size", "sides", "said"),
    [
        ("0x512", {"hr_resize_x": 512}, "infotext.width: input should be greater"),
        ("512x0", {"hr_resize_y": 512}, "infotext.height: input should be greater"),
    ],
)
def test_a_size_that_is_none_in_a_pictures_text_is_said(
    client: TestClient, size: str, sides: dict[str, int], said: str
) -> None:
    asked = {"infotext": f"a dog\nSteps: 2, Sampler: DDIM, CFG scale: 4, Seed: 9, Size: {size}", "enable_hr": True}
    assert said in post(client, "txt2img", asked | sides, status=422)["detail"]


def test_what_a_pictures_text_says_and_nothing_is_drawn_by_is_named(client: TestClient) -> None:
    text = "a dog\nSteps: 1, Sampler: Euler a, CFG scale: 4, Seed: 9, Size: 64x64, Model hash: {}, Model: x"
    own = json.loads(post(client, "txt2img", SIMPLE)["info"])["sd_model_hash"]
    assert "left_out" not in post(client, "txt2img", {"infotext": text.format(own)})
    other = text.format("1234567890") + ", VAE hash: 1234567890, VAE: other.pt, ENSD: 31337"
    answer = post(client, "txt2img", {"infotext": other, "unknown_to_a1111": 1})
    assert answer["left_out"] == ["unknown_to_a1111", "infotext: Model hash", "infotext: VAE", "infotext: ENSD"]


def test_large_pictures_keep_nobody_waiting(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are decoded beside the loop that answers everybody."""
    threads: list[str] = []

    def store(home: Path, text: str, name: str = "") -> Path:
        threads.append(threading.current_thread().name)
        raise PhotoError(f"{name} was looked at")

    for module in ("sdapi", "sdapi_extras"):
        monkeypatch.setattr(f"retrato.server.api.{module}.store_upload", store)
    post(client, "img2img", SIMPLE | {"init_images": ["x"]}, 422)
    post(client, "interrogate", {"image": "x"}, 422)
    assert [name.startswith("AnyIO worker") for name in threads] == [True, True]


def test_what_may_wait_for_the_disk_or_is_large_keeps_nobody_waiting(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loop: dict[str, bool] = {}

    def watched(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **options: Any) -> Any:
            on_loop.setdefault(name, False)
            with suppress(RuntimeError):
                asyncio.get_running_loop()
                on_loop[name] = True
            return does(*args, **options)

        return watching

    def making(said: Any) -> Iterator[bytes]:
        pieces = in_pieces(said)
        step = watched("in_pieces", lambda: next(pieces, None))
        return iter(step, None)

    monkeypatch.setattr("retrato.server.answers.in_pieces", making)
    monkeypatch.setattr("retrato.server.api.sdapi.order_drawing", watched("order_drawing", order_drawing))
    for kind, name in ((JobQueue, "get"), (JobQueue, "events"), (Service, "find_model"), (Service, "overrides")):
        monkeypatch.setattr(kind, name, watched(name, getattr(kind, name)))
    monkeypatch.setattr("retrato.server.api.sdapi.shutil", SimpleNamespace(rmtree=watched("rmtree", shutil.rmtree)))
    post(client, "txt2img", SIMPLE | {"override_settings": {"sd_model_checkpoint": Path(service.model).name}})
    names = ("order_drawing", "in_pieces", "get", "events", "find_model", "overrides", "rmtree")
    assert on_loop == dict.fromkeys(names, False)


def test_a_picture_that_is_stored_is_not_held_while_its_job_waits(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[object] = []

    async def draw(service: Service, body: Img2Img, values: dict[str, Any], *_: Any) -> None:
        held.extend((body.init_images, body.mask, values["init_images"], values["mask"]))
        raise PhotoError("enough")

    monkeypatch.setattr("retrato.server.api.sdapi._draw", draw)
    asked = SIMPLE | {"init_images": [encoded(noise())], "mask": encoded(noise())}
    post(client, "img2img", asked, 422)
    assert held == [None] * 4
    post(client, "img2img", asked | {"include_init_images": True}, 422)
    assert held[4:] == [asked["init_images"], asked["mask"]] * 2


def test_a_pictures_text_fills_in_all_that_its_table_and_the_request_have() -> None:
    settings = GenerateSettings(
        prompt="a dog", negative_prompt="no", seed=9, width=64, height=128, guidance_scale=4, sampler="DPM++ 2M",
        schedule="Karras", tiling=True, emphasis="No norm", clip_skip=2, variation_seed=3, variation_strength=0.5,
        seed_resize_from="64x96", hires=True, hires_resize="128x256", hires_steps=3, hires_upscaler="Lanczos",
        hires_sampler="DDIM", hires_prompt="a cat", hires_negative_prompt="nothing", denoising_strength=0.4,
    )  # fmt: skip
    assert from_infotext(format_infotext(settings)) == {
        "prompt": "a dog", "negative_prompt": "no", "steps": 20, "seed": 9, "width": 64, "height": 128,
        "cfg_scale": 4.0, "sampler_name": "DPM++ 2M", "scheduler": "Karras", "tiling": True, "subseed": 3,
        "subseed_strength": 0.5, "seed_resize_from_w": 64, "seed_resize_from_h": 96, "enable_hr": True,
        "hr_resize_x": 128, "hr_resize_y": 256, "hr_second_pass_steps": 3, "hr_upscaler": "Lanczos",
        "hr_sampler_name": "DDIM", "hr_prompt": "a cat", "hr_negative_prompt": "nothing", "denoising_strength": 0.4,
        "override_settings": {"CLIP_stop_at_last_layers": 2, "emphasis": "No norm"},
    }  # fmt: skip
    plain = from_infotext(format_infotext(GenerateSettings(prompt="a dog")))
    assert not plain.keys() & {"enable_hr", "tiling", "override_settings", "negative_prompt"}


def test_each_field_stands_once_in_its_table() -> None:
    for table in ((*BOTH, *TXT2IMG), (*BOTH, *IMG2IMG)):
        names = [field.name for field in table]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"mask_blur_x": 9, "mask_blur_y": 9}, {"mask_blur": 9}),
        ({"mask_blur_x": 4}, {"mask_blur": 4}),
        ({"mask_blur": 2, "mask_blur_x": 4, "mask_blur_y": 7}, {"mask_blur": 2}),
        ({}, {}),
    ],
)
def test_the_masks_two_blurs_are_one(sent: dict[str, Any], meant: dict[str, Any]) -> None:
    assert joined_blur(sent) == meant


def test_a_mask_is_not_softened_in_two_ways(client: TestClient) -> None:
    sent = SIMPLE | {"init_images": [encoded(noise())], "mask": encoded(noise()), "mask_blur_x": 8}
    assert "mask_blur_x is 8 and mask_blur_y 4" in post(client, "img2img", sent, 422)["detail"]


def test_img2img_asks_for_a_picture(client: TestClient) -> None:
    assert "init_images is empty" in post(client, "img2img", SIMPLE, status=404)["detail"]


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("http://169.254.169.254/latest/meta-data", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        ("", "empty"),
        ("bm8gcGljdHVyZQ==", "picture"),
        ("data:image/png;base64,", "empty"),
    ],
)
def test_no_picture_is_fetched_from_anywhere(client: TestClient, image: str, sentence: str) -> None:
    assert sentence in post(client, "extra-single-image", {"image": image}, status=422)["detail"]


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_enlarging(client: TestClient) -> None:
    small = encoded(noise())
    answer = post(client, "extra-single-image", {"image": small, "upscaler_1": "Lanczos", "upscaling_resize": 2})
    assert picture(answer["image"]).size == (128, 128)
    answer = post(client, "extra-single-image", {"image": small, "upscaler_1": "Lanczos", "upscaling_resize": 0.5})
    assert picture(answer["image"]).size == (32, 32)
    batch = {"imageList": [{"data": small, "name": "a"}, {"data": small, "name": "b"}]}
    sizes = {"resize_mode": 1, "upscaling_resize_w": 96, "upscaling_resize_h": 80, "upscaler_1": "Nearest"}
    answer = post(client, "extra-batch-images", batch | sizes)
    assert [picture(image).size for image in answer["images"]] == [(96, 80), (96, 80)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdapi_extras, "MOST_TOGETHER", 10_000)
        said = post(client, "extra-batch-images", batch | sizes, 422)["detail"]
    assert said.startswith("the pictures up to imageList[1] would have")
    assert (
        "face restorer" in post(client, "extra-single-image", {"image": small, "gfpgan_visibility": 1}, 422)["detail"]
    )
    assert (
        "there is no upscaler" in post(client, "extra-single-image", {"image": small, "upscaler_1": "x"}, 422)["detail"]
    )


def test_a_picture_like_a_line_keeps_at_least_one_pixel(client: TestClient) -> None:
    sizes = {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 64, "upscaling_crop": False}
    asked = {"image": encoded(Image.new("RGB", (600, 2))), "upscaler_1": "Lanczos"} | sizes
    assert picture(post(client, "extra-single-image", asked)["image"]).size == (64, 1)


@pytest.mark.parametrize("sizes", [{}, {"resize_mode": 1, "upscaling_resize_w": 96, "upscaling_resize_h": 80}])
def test_without_a_first_upscaler_the_second_one_does_nothing_as_in_a1111(
    client: TestClient, sizes: dict[str, int]
) -> None:
    asked = {"image": encoded(noise()), "upscaler_2": "Lanczos", "extras_upscaler_2_visibility": 0.5, **sizes}
    assert picture(post(client, "extra-single-image", asked)["image"]).tobytes() == noise().tobytes()
    both = post(client, "extra-single-image", asked | {"upscaler_1": "Nearest"})
    assert picture(both["image"]).size == ((96, 80) if sizes else (128, 128))


def test_png_info_reads_what_a_picture_says(client: TestClient) -> None:
    text = "a <b>cat</b>\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    answer = post(client, "png-info", {"image": encoded(noise(), parameters=text)})
    assert answer["info"] == text
    assert answer["parameters"]["Sampler"] == "Euler a"
    assert post(client, "png-info", {"image": encoded(noise())})["info"] == ""


def test_interrogating_gives_the_captioners_words(client: TestClient, service: Service) -> None:
    class Captioner:
        def caption(self, images: list[Image.Image]) -> list[str]:
            return [f"noise of {image.width}" for image in images]

    service.studio.__dict__["captioner"] = Captioner()
    try:
        for model in ("clip", "blip"):
            asked = {"image": encoded(noise()), "model": model}
            assert post(client, "interrogate", asked) == {"caption": "noise of 64"}
        assert "ask for clip" in post(client, "interrogate", asked | {"model": "deepdanbooru"}, 404)["detail"]
    finally:
        del service.studio.__dict__["captioner"]


def test_interrogating_that_somebody_cancelled_has_not_failed(
    still: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(queue: JobQueue, *arguments: Any, **named: Any) -> Job:
        return queue.cancel(order_captions(queue, *arguments, **named).id)

    monkeypatch.setattr(sdapi_extras, "order_captions", cancelled)
    assert "was cancelled, nothing came of it" in post(still, "interrogate", {"image": encoded(noise())}, 409)["detail"]


def test_interrogating_a_model_without_captioner_says_so(client: TestClient) -> None:
    assert "has no captioner" in post(client, "interrogate", {"image": encoded(noise())}, 422)["detail"]


@pytest.mark.parametrize(
    "path",
    [
        *("cmd-flags", "samplers", "schedulers", "upscalers", "latent-upscale-modes", "sd-models", "sd-vae", "loras"),
        *("hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles", "embeddings", "memory", "scripts"),
        *("script-info", "extensions", "options", "progress", "artist-categories", "artists"),
    ],
)
def test_lists_are_there(client: TestClient, path: str) -> None:
    assert client.get(f"/sdapi/v1/{path}").status_code == 200


def test_samplers_that_are_listed_draw(client: TestClient) -> None:
    names = [each["name"] for each in client.get("/sdapi/v1/samplers").json()]
    assert {"Euler a", "LMS", "DPM++ 2M"} <= set(names)
    schedules = [each["label"] for each in client.get("/sdapi/v1/schedulers").json()]
    assert {"Automatic", "Karras"} <= set(schedules)


def test_options_are_read_back_as_they_were_written(client: TestClient) -> None:
    """A1111's own test, step by step."""
    before = client.get("/sdapi/v1/options").json()["send_seed"]
    client.post("/sdapi/v1/options", json={"send_seed": not before})
    assert client.get("/sdapi/v1/options").json()["send_seed"] == (not before)
    client.post("/sdapi/v1/options", json={"send_seed": before})


@pytest.mark.parametrize(
    "options",
    [
        {"sd_model_checkpoint": "none.ckpt"},
        {"no_such": 1},
        {"sd_vae": "other.pt"},
        {"sd_vae": "/etc/hostname"},
        {"send_seed": "yes"},
        {"CLIP_stop_at_last_layers": 99},
        {"emphasis": "Loud"},
        {"samples_format": "jpg"},
    ],
)
def test_options_that_cannot_be_set_are_refused(client: TestClient, options: dict[str, Any]) -> None:
    before = client.get("/sdapi/v1/options").json()
    assert client.post("/sdapi/v1/options", json=options | {"eta_noise_seed_delta": 0}).status_code == 422
    assert client.get("/sdapi/v1/options").json() == before


def test_options_that_requests_override_hold_for_the_next_ones(client: TestClient) -> None:
    def clip_skip(**changes: Any) -> int:
        found: int = json.loads(post(client, "txt2img", SIMPLE | changes)["info"])["clip_skip"]
        return found

    options = client.get("/sdapi/v1/options").json()
    assert client.post("/sdapi/v1/options", json=options | {"CLIP_stop_at_last_layers": 2}).status_code == 200
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    assert clip_skip() == 2
    assert clip_skip(override_settings={"CLIP_stop_at_last_layers": 1}) == 1
    lasting = {"override_settings": {"CLIP_stop_at_last_layers": 1}, "override_settings_restore_afterwards": False}
    assert clip_skip(**lasting) == clip_skip() == 1
    assert client.get("/sdapi/v1/options").json() == options


def test_what_may_be_overridden_for_one_request_may_be_so_from_then_on(client: TestClient) -> None:
    """`return_grid` asks for nothing here, and clients send it; what is null is not said, as in all of A1111's API."""
    options = client.get("/sdapi/v1/options").json()
    overrides = {"return_grid": False, "img2img_fix_steps": False, "sd_model_checkpoint": None, "sd_vae": None}
    lasting = {"override_settings": overrides, "override_settings_restore_afterwards": False}
    post(client, "txt2img", SIMPLE | lasting)
    assert client.post("/sdapi/v1/options", json=overrides).status_code == 200
    assert client.get("/sdapi/v1/options").json() == options | {"return_grid": False, "img2img_fix_steps": False}


def test_another_vae_is_drawn_with_for_one_request_or_from_then_on(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = family_folder("sd1")
    (tmp_path / "models").mkdir()
    weights = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    halved = {name: value * 0.5 if value.ndim > 1 else value for name, value in weights.items()}
    save_file(halved, tmp_path / "models" / "soft.vae.safetensors")
    app = create_app(Studio.open(folder, home=tmp_path, device="cpu"), ServerSettings())
    with TestClient(app, base_url=HOME) as client:

        def drawn(**overrides: str) -> tuple[str, str | None]:
            answer = post(client, "txt2img", SIMPLE | {"override_settings": overrides})
            return answer["images"][0], json.loads(answer["info"])["sd_vae_name"]

        def option() -> str:
            found: str = client.get("/sdapi/v1/options").json()["sd_vae"]
            return found

        assert [vae["model_name"] for vae in client.get("/sdapi/v1/sd-vae").json()] == ["soft.vae.safetensors"]
        own, own_name = drawn()
        soft, soft_name = drawn(sd_vae="soft.vae.safetensors")
        assert (own_name, soft_name, option()) == (None, "soft.vae.safetensors", "Automatic")
        assert picture(own).tobytes() != picture(soft).tobytes()
        assert drawn() == (own, None)
        assert client.post("/sdapi/v1/options", json={"sd_vae": "soft"}).status_code == 200
        assert (option(), drawn(), drawn(sd_vae="Automatic")) == (
            "soft.vae.safetensors",
            (soft, soft_name),
            (own, None),
        )
        assert client.post("/sdapi/v1/unload-checkpoint").status_code == 200
        assert drawn() == (soft, soft_name)
        (tmp_path / "models" / "half.vae.safetensors").write_bytes(b"no tensors")
        assert client.post("/sdapi/v1/options", json={"sd_vae": "half"}).status_code == 422
        assert drawn() == (soft, soft_name), "what cannot be read is not chosen"
        assert drawn(sd_model_checkpoint=folder.name) == (soft, soft_name)
        assert client.post("/sdapi/v1/options", json={"sd_vae": "None"}).status_code == 200
        assert (option(), drawn()) == ("Automatic", (own, None))


def test_from_a_model_that_cannot_be_loaded_there_is_a_way_back(tiny_folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_folder, tmp_path / "models" / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut off")
    app = create_app(Studio.open(tiny_folder, home=tmp_path, device="cpu"), ServerSettings())
    with TestClient(app, base_url=HOME) as client:
        choose = lambda name: client.post("/sdapi/v1/options", json={"sd_model_checkpoint": name}).status_code
        assert choose("broken") == 200
        assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "broken"
        assert client.post("/sdapi/v1/txt2img", json=SIMPLE).status_code == 422
        assert choose(tiny_folder.name) == 200
        post(client, "txt2img", SIMPLE)


@pytest.mark.parametrize(
    "said", [{"sampler_name": "PLMS", "eta": 0}, {"enable_hr": True, "hr_sampler_name": "Use same sampler"}]
)
def test_what_asks_for_nothing_is_accepted(client: TestClient, said: dict[str, Any]) -> None:
    post(client, "txt2img", SIMPLE | said)


def test_the_model_in_use_can_be_chosen_again(client: TestClient) -> None:
    title = client.get("/sdapi/v1/options").json()["sd_model_checkpoint"]
    assert title in [model["title"] for model in client.get("/sdapi/v1/sd-models").json()]
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": title}).status_code == 200


def test_lists_have_a1111s_shapes(client: TestClient, service: Service) -> None:
    """The keys of each row, as A1111 1.10's response models name them."""
    write_embedding(Embedding("skipped-1", (torch.ones(2, 768),), 7), service.home / "embeddings/skipped-1.safetensors")
    (service.home / "embeddings/skipped-2.pt").write_bytes(b"no embedding")
    (service.home / "styles.csv").write_text("name,prompt,negative_prompt\none,old,new\n", "utf-8")
    shapes = {
        "samplers": {"name", "aliases", "options"},
        "schedulers": {"name", "label", "aliases", "default_rho", "need_inner_model"},
        "upscalers": {"name", "model_name", "model_path", "model_url", "scale"},
        "latent-upscale-modes": {"name"},
        "sd-models": {"title", "model_name", "hash", "sha256", "filename", "config"},
        "prompt-styles": {"name", "prompt", "negative_prompt"},
    }
    try:
        for path, keys in shapes.items():
            rows = client.get(f"/sdapi/v1/{path}").json()
            assert rows, path
            assert all(set(row) == keys for row in rows), path
        said = client.get("/sdapi/v1/embeddings").json()
        facts = {"step", "sd_checkpoint", "sd_checkpoint_name", "shape", "vectors"}
        assert all(set(each) >= facts for each in said["skipped"].values())
        assert (said["skipped"]["skipped-1"]["shape"], said["skipped"]["skipped-1"]["vectors"]) == (768, 2)
        assert "768" in said["skipped"]["skipped-1"]["reason"]
        memory = client.get("/sdapi/v1/memory").json()
        assert set(memory) == {"ram", "cuda"}
        assert set(memory["ram"]) == {"free", "used", "total"}
        assert client.get("/sdapi/v1/scripts").json() == {"txt2img": [], "img2img": []}
        assert client.get("/sdapi/v1/script-info").json() == []
    finally:
        for name in ("embeddings/skipped-1.safetensors", "embeddings/skipped-2.pt", "styles.csv"):
            (service.home / name).unlink()
    for path in ("refresh-embeddings", "refresh-checkpoints", "refresh-vae", "refresh-loras"):
        assert client.post(f"/sdapi/v1/{path}").status_code == 200
    for path in ("unload-checkpoint", "reload-checkpoint", "interrupt"):
        assert client.post(f"/sdapi/v1/{path}").json() == {}


def test_a_file_of_a_vae_is_listed_as_one_and_is_no_model(client: TestClient, service: Service) -> None:
    (service.home / "models").mkdir(exist_ok=True)
    for name in ("some.vae.safetensors", "broken.safetensors"):
        (service.home / "models" / name).write_bytes(b"none")
    try:
        names = [each["model_name"] for each in client.get("/sdapi/v1/sd-models").json()]
        assert names[0] == "retrato-mini"
        assert not any("vae" in name or "broken" in name for name in names)
        (vae,) = client.get("/sdapi/v1/sd-vae").json()
        assert vae == {
            "model_name": "some.vae.safetensors",
            "filename": str(service.home / "models/some.vae.safetensors"),
        }
    finally:
        shutil.rmtree(service.home / "models")


def test_nothing_runs_says_progress(client: TestClient) -> None:
    idle = client.get("/sdapi/v1/progress").json()
    assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0, 0, None)
    assert client.post("/sdapi/v1/interrupt").json() == {}
    assert client.post("/sdapi/v1/skip").json() is None


@pytest.fixture
def still(tmp_path: Path, tiny_folder: Path) -> TestClient:
    """A server whose worker does not run, so that a job stays where it is put."""
    return TestClient(create_app(Studio.open(tiny_folder, home=tmp_path, device="cpu"), ServerSettings()), HOME)


def test_progress_skip_and_interrupt_of_a_running_job(still: TestClient) -> None:
    queue: JobQueue = still.app.state.service.queue  # type: ignore[attr-defined]
    settings = GenerateSettings(prompt="a cat", steps=4, count=2, batch_size=1)
    job = order_drawing(queue, settings, task="task(7)")
    waiting = still.get("/sdapi/v1/progress").json()
    assert (waiting["current_task"], waiting["state"]["job_count"]) == ("task(7)", 2)
    queue.claim("cpu")
    queue.record(job.id, "sampled", {"step": 2, "steps": 4, "index": 1, "count": 2}, progress=0.75)
    queue.show(job.id, b"picture")
    running = still.get("/sdapi/v1/progress").json()
    assert running["progress"] == 0.75
    assert running["eta_relative"] > 0
    state = running["state"]
    assert (state["job_no"], state["job_count"], state["sampling_step"], state["sampling_steps"]) == (1, 2, 2, 4)
    assert base64.b64decode(running["current_image"]) == b"picture"
    assert still.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"] is None
    assert still.get(f"/api/v1/jobs/{job.id}/preview").content == b"picture"
    assert still.post("/sdapi/v1/skip").json() is None
    assert still.get("/sdapi/v1/progress").json()["state"]["skipped"]
    assert queue.wish(job.id) == "skip"
    assert still.post("/sdapi/v1/interrupt").json() == {}
    assert still.get("/sdapi/v1/progress").json()["state"]["interrupted"]
    assert queue.wish(job.id) == "cancel"
    assert still.post("/sdapi/v1/skip").json() is None
    queue.grant(job.id)  # of a skip that was heard just before
    assert queue.wish(job.id) == "cancel"


def test_progress_sends_its_picture_in_pieces(still: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview of a large picture has many megabytes, and several clients ask twice a second."""
    queue: JobQueue = still.app.state.service.queue  # type: ignore[attr-defined]
    job = order_drawing(queue, GenerateSettings(prompt="a cat"))
    queue.claim("cpu")
    queue.show(job.id, preview := bytes(range(256)) * 8000)
    sizes: list[int] = []

    def watching(said: Any) -> Iterator[bytes]:
        for piece in in_pieces(said):
            sizes.append(len(piece))
            yield piece

    monkeypatch.setattr("retrato.server.answers.in_pieces", watching)
    assert base64.b64decode(still.get("/sdapi/v1/progress").json()["current_image"]) == preview
    assert len(sizes) > 2
    assert max(sizes) < len(preview)


def test_interrupting_a_job_that_has_just_ended_is_no_error(still: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    queue: JobQueue = still.app.state.service.queue  # type: ignore[attr-defined]
    job = order_drawing(queue, GenerateSettings(prompt="a cat"))
    queue.claim("cpu")
    running = queue.get(job.id)
    queue.finish(job.id, "done")
    monkeypatch.setattr(queue, "jobs", lambda **_: [running])
    for what in ("interrupt", "skip"):
        assert still.post(f"/sdapi/v1/{what}").status_code == 200
