"""A1111's API: its own tests' requests, and what it never tested: that the answers say what was asked."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.server.api.sdapi_fields import BOTH, IMG2IMG, TXT2IMG
from retrato.settings import GenerateSettings

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
    assert answer["parameters"] == asked


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


# --- what cannot be done is said --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sampler_name": "sampler that is not there"}, "sampler is"),
        ({"steps": 0}, "steps"),
        ({"width": 63}, "width"),
        ({"width": 4096}, "width"),
        ({"batch_size": 9}, "batch_size"),
        ({"script_name": "sd upscale"}, "there are no scripts here"),
        ({"alwayson_scripts": {"ControlNet": {"args": [{"enabled": True}]}}}, "there are no scripts here"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"override_settings": {"no_such_option": 1}}, "no_such_option"),
        ({"override_settings": {"sd_model_checkpoint": "none.ckpt"}}, "there is no model"),
        ({"hr_resize_x": 128}, "only one was sent"),
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


MISSING = [("styles", {"styles": ["one"]}), ("s_min_uncond", {"s_min_uncond": 0.5})]


@pytest.mark.parametrize(("setting", "changes"), MISSING)
def test_what_the_settings_have_no_word_for_is_refused_and_never_ignored(
    client: TestClient, setting: str, changes: dict[str, Any]
) -> None:
    sentence = post(client, "txt2img", SIMPLE | changes, status=422)["detail"]
    assert "cannot do that (yet)" in sentence or setting in GenerateSettings.model_fields


def test_each_field_stands_once_in_its_table() -> None:
    for table in ((*BOTH, *TXT2IMG), (*BOTH, *IMG2IMG)):
        names = [field.name for field in table]
        assert len(names) == len(set(names))


def test_img2img_asks_for_a_picture(client: TestClient) -> None:
    assert "init_images is empty" in post(client, "img2img", SIMPLE, status=422)["detail"]


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
    batch = {"imageList": [{"data": small, "name": "a"}, {"data": small, "name": "b"}]}
    sizes = {"resize_mode": 1, "upscaling_resize_w": 96, "upscaling_resize_h": 80, "upscaler_1": "Nearest"}
    answer = post(client, "extra-batch-images", batch | sizes)
    assert [picture(image).size for image in answer["images"]] == [(96, 80), (96, 80)]
    assert (
        "face restorer" in post(client, "extra-single-image", {"image": small, "gfpgan_visibility": 1}, 422)["detail"]
    )
    assert (
        "there is no upscaler" in post(client, "extra-single-image", {"image": small, "upscaler_1": "x"}, 422)["detail"]
    )


def test_png_info_reads_what_a_picture_says(client: TestClient) -> None:
    text = "a <b>cat</b>\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    answer = post(client, "png-info", {"image": encoded(noise(), parameters=text)})
    assert answer["info"] == text
    assert answer["parameters"]["Sampler"] == "Euler a"
    assert post(client, "png-info", {"image": encoded(noise())})["info"] == ""


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
    "options", [{"sd_model_checkpoint": "none.ckpt"}, {"no_such": 1}, {"sd_vae": "other.pt"}, {"send_seed": "yes"}]
)
def test_options_that_cannot_be_set_are_refused(client: TestClient, options: dict[str, Any]) -> None:
    assert client.post("/sdapi/v1/options", json=options).status_code == 422


def test_the_model_in_use_can_be_chosen_again(client: TestClient) -> None:
    title = client.get("/sdapi/v1/options").json()["sd_model_checkpoint"]
    assert title in [model["title"] for model in client.get("/sdapi/v1/sd-models").json()]
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": title}).status_code == 200


def test_nothing_runs_says_progress(client: TestClient) -> None:
    idle = client.get("/sdapi/v1/progress").json()
    assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0, 0, None)
    assert client.post("/sdapi/v1/interrupt").json() == {}
    assert client.post("/sdapi/v1/skip").json() is None


def test_an_embedding_is_created_and_listed(client: TestClient) -> None:
    made = {"name": "created-1", "num_vectors_per_token": 2, "init_text": "person", "overwrite_old": False}
    assert post(client, "create/embedding", made)["info"].startswith("create embedding filename: ")
    listed = client.get("/sdapi/v1/embeddings").json()["loaded"]["created-1"]
    assert (listed["vectors"], listed["shape"], listed["step"]) == (2, 32, 0)
    assert "is taken" in post(client, "create/embedding", made, 422)["detail"]
    post(client, "create/embedding", made | {"overwrite_old": True})
    for name in ("../up", "a/b", "con", "x" * 65):
        post(client, "create/embedding", made | {"name": name}, 422)


def test_an_embedding_is_trained_with_a1111s_fields(client: TestClient) -> None:
    for number in range(4):
        image = Image.fromarray(np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8))
        sent = {"file": f"{number}.png", "image": encoded(image.resize((64, 64), Image.Resampling.NEAREST))}
        assert client.post("/api/v1/photos/ana", json=sent).status_code == 201
    post(client, "create/embedding", {"name": "ana-t9", "num_vectors_per_token": 1, "init_text": "person"})
    asked = {
        "id_task": "task(1)",
        "embedding_name": "ana-t9",
        "learn_rate": "0.005:2, 0.001",
        "batch_size": 1,
        "gradient_step": 1,
        "data_root": "ana",
        "log_directory": "textual_inversion",
        "training_width": 64,
        "training_height": 64,
        "varsize": False,
        "steps": 3,
        "clip_grad_mode": "disabled",
        "clip_grad_value": "0.1",
        "shuffle_tags": False,
        "tag_drop_out": 0,
        "latent_sampling_method": "once",
        "use_weight": False,
        "create_image_every": 0,
        "save_embedding_every": 0,
        "template_filename": "style_filewords.txt",
        "save_image_with_stored_embedding": True,
        "preview_from_txt2img": False,
    }
    answer = post(client, "train/embedding", asked)
    assert answer["info"].startswith("train embedding complete: filename: embeddings/ana-t9.safetensors")
    assert client.get("/sdapi/v1/embeddings").json()["loaded"]["ana-t9"]["step"] > 0
    for changes in ({"data_root": "/etc"}, {"data_root": "../.."}, {"embedding_name": "nobody"}, {"wrong": 1}):
        assert client.post("/sdapi/v1/train/embedding", json=asked | changes).status_code in (404, 422)
    prepared = post(
        client, "preprocess", {"process_src": "ana", "process_dst": "ana-64", "process_width": 64, "process_height": 64}
    )
    assert prepared["info"] == "preprocess complete"
    assert "ana-64" in client.get("/api/v1/photos").json()
