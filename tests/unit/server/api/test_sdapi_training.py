"""A1111's create, train and preprocess: its fields become our settings, and none is ignored."""

import asyncio
import base64
import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from retrato.embeddings import Embedding
from retrato.errors import EmbeddingError, HypernetworkError, QueueError, RetratoError
from retrato.jobs import JobQueue
from retrato.jobs.job import State
from retrato.model import initial_vectors
from retrato.server.api.sdapi import done
from retrato.server.api.sdapi_lists import apply_options
from retrato.server.api.sdapi_training import _preparation, _training
from retrato.server.service import Service
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training.learnable import untrained

# What A1111's own page sends.
ASKED = {
    "id_task": "task(1)",
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
    "template_filename": "style_filewords.txt",
    "preview_from_txt2img": False,
    "preview_prompt": "what txt2img says",
    "preview_negative_prompt": "",
    "preview_steps": 20,
    "preview_sampler_name": "Euler a",
    "preview_cfg_scale": 7,
    "preview_seed": -1,
    "preview_width": 512,
    "preview_height": 512,
}
EMBEDDING = ASKED | {"save_embedding_every": 0, "save_image_with_stored_embedding": True}
HYPERNETWORK = ASKED | {"save_hypernetwork_every": 0, "template_filename": "hypernetwork.txt", "learn_rate": "0.00001"}


def post(client: TestClient, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = client.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def photos(client: TestClient) -> str:
    """A set of photos that was sent."""
    for number in range(4):
        patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST).save(buffer, "PNG")
        sent = {"file": f"{number}.png", "image": base64.b64encode(buffer.getvalue()).decode()}
        assert client.post("/api/v1/photos/ana", json=sent).status_code == 201
    return "ana"


@pytest.fixture
def begun(service: Service) -> Service:
    """A service with an embedding and a hypernetwork that nobody trained yet."""
    components = service.studio.components
    start = TrainSettings(name="begun-1", initializer_text="a hat", vectors_per_token=3, recipe="a1111")
    service.people().add(untrained(components, start), overwrite=True)
    structure = HypernetworkSettings(
        name="begun-h", sizes="32", layer_structure="1, 1.5, 1", activation="relu", layer_norm=True, recipe="a1111"
    )
    service.studio.hypernetworks.add(untrained(components, structure), overwrite=True)
    return service


def test_an_embedding_is_created_and_listed(client: TestClient, service: Service) -> None:
    made = {"name": "created-1", "num_vectors_per_token": 2, "init_text": "person", "overwrite_old": False}
    assert post(client, "create/embedding", made)["info"].startswith("create embedding filename: ")
    listed = client.get("/sdapi/v1/embeddings").json()["loaded"]["created-1"]
    assert (listed["vectors"], listed["shape"], listed["step"]) == (2, 32, 0)
    (start,) = initial_vectors(service.studio.components, "person", 2)
    assert torch.equal(service.people()["created-1"].vectors[0], start)
    assert "is taken" in post(client, "create/embedding", made, 422)["detail"]
    post(client, "create/embedding", made | {"overwrite_old": True, "init_text": ""})
    assert not service.people()["created-1"].vectors[0].any()
    for name in ("../up", "a/b", "con", "x" * 65, "", "photo"):
        post(client, "create/embedding", made | {"name": name}, 422)


def test_a_hypernetwork_is_created_and_listed(client: TestClient, service: Service) -> None:
    made = {
        "name": "created-h",
        "enable_sizes": ["32"],
        "layer_structure": "1, 2, 1",
        "activation_func": "relu",
        "weight_init": "XavierNormal",
        "add_layer_norm": True,
        "use_dropout": True,
        "overwrite_old": False,
    }
    answer = post(client, "create/hypernetwork", made | {"dropout_structure": "0, 0.3, 0"})
    assert answer["info"].startswith("create hypernetwork filename: ")
    assert "created-h" in [each["name"] for each in client.get("/sdapi/v1/hypernetworks").json()]
    found = service.studio.hypernetworks["created-h"]
    assert (found.sizes, found.step, found.weight_init) == ((32,), 0, "XavierNormal")
    assert (found.structure.activation, found.structure.layer_norm) == ("relu", True)
    assert found.structure.dropout == (0, 0.3, 0)
    assert "is taken" in post(client, "create/hypernetwork", made, 422)["detail"]
    post(client, "create/hypernetwork", {"name": "created-h", "overwrite_old": True})
    assert service.studio.hypernetworks["created-h"].structure.layers == (1, 2, 1)
    for wrong in (
        {"name": "../up"},
        {"enable_sizes": [768]},
        {"layer_structure": "2, 1"},
        {"activation_func": "os.system"},
        {"weight_init": "Zero"},
    ):
        post(client, "create/hypernetwork", made | {"overwrite_old": True} | wrong, 422)


def test_an_embedding_is_trained_with_a1111s_fields(client: TestClient, photos: str) -> None:
    post(client, "create/embedding", {"name": "ana-t9", "num_vectors_per_token": 1, "init_text": "person"})
    answer = post(client, "train/embedding", EMBEDDING | {"embedding_name": "ana-t9"})
    assert answer["info"].startswith("train embedding complete: filename: embeddings/ana-t9.safetensors")
    assert client.get("/sdapi/v1/embeddings").json()["loaded"]["ana-t9"]["step"] > 0
    again = post(client, "train/embedding", EMBEDDING | {"embedding_name": "ana-t9"})  # what was learned here, anew
    assert again["info"].startswith("train embedding complete: ")
    for changes in ({"data_root": "/etc"}, {"data_root": "../.."}, {"embedding_name": "nobody"}, {"wrong": 1}):
        body = EMBEDDING | {"embedding_name": "ana-t9"} | changes
        assert client.post("/sdapi/v1/train/embedding", json=body).status_code in (404, 422)


def test_a_hypernetwork_is_trained_with_a1111s_fields(client: TestClient, service: Service, photos: str) -> None:
    post(client, "create/hypernetwork", {"name": "ana-h9", "enable_sizes": [32]})
    asked = HYPERNETWORK | {"hypernetwork_name": "ana-h9", "preview_from_txt2img": True}
    answer = post(client, "train/hypernetwork", asked)
    assert answer["left_out"][:2] == ["preview_steps", "preview_sampler_name"]  # previews are drawn in one way
    assert "filename: hypernetworks/ana-h9.safetensors error: None" in answer["info"]
    learned = service.studio.hypernetworks["ana-h9"]
    assert (learned.sizes, (learned.step or 0) > 0) == ((32,), True)
    sentence = post(client, "train/hypernetwork", HYPERNETWORK | {"hypernetwork_name": "nobody"}, 422)["detail"]
    assert "create it first" in sentence


@pytest.mark.parametrize(("state", "result"), [("paused", None), ("cancelled", None), ("cancelled", {"file": "a"})])
def test_a_training_that_was_stopped_is_complete_only_where_something_was_kept(
    tmp_path: Path, state: State, result: dict[str, Any] | None
) -> None:
    service: Any = SimpleNamespace(queue=JobQueue(tmp_path))  # without a worker that would take the job
    job = service.queue.submit("train", {})
    service.queue.finish(job.id, state, result=result)
    if result:
        assert asyncio.run(done(service, job)).result == result
        return
    with pytest.raises(QueueError, match=f"was {state}, nothing came of it"):
        asyncio.run(done(service, job))


def test_training_starts_from_what_was_created(begun: Service) -> None:
    settings = _training(begun, EMBEDDING | {"embedding_name": "begun-1"}, TrainSettings)
    assert isinstance(settings, TrainSettings)
    assert (settings.initializer_text, settings.vectors_per_token) == ("a hat", 3)
    networks = _training(begun, HYPERNETWORK | {"hypernetwork_name": "begun-h"}, HypernetworkSettings)
    again = untrained(begun.studio.components, networks)
    for one, other in zip(again.parameters, begun.studio.hypernetworks["begun-h"].parameters, strict=True):  # type: ignore[union-attr]
        assert torch.equal(one, other)


@pytest.mark.parametrize("step", [None, 19500])
def test_what_was_trained_elsewhere_is_not_replaced(begun: Service, step: int | None) -> None:
    """The file in the library is the only copy, and what it started from is not known."""
    people, networks = begun.people(), begun.studio.hypernetworks
    foreign = Embedding("realbenny-t1", (torch.ones(2, 32),), step=step)
    people.add(foreign, overwrite=True)
    sentence = "realbenny-t1 was not learned here.*train another name, or create it anew with create/embedding and over"
    with pytest.raises(EmbeddingError, match=sentence):
        _training(begun, EMBEDDING | {"embedding_name": "realbenny-t1"}, TrainSettings)
    networks.add(dataclasses.replace(networks["begun-h"], name="benny-h", step=step), overwrite=True)
    with pytest.raises(HypernetworkError, match="create/hypernetwork and overwrite_old"):
        _training(begun, HYPERNETWORK | {"hypernetwork_name": "benny-h"}, HypernetworkSettings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clip_grad_mode": "norm", "clip_grad_value": "1:10, 0.1"}, {"gradient_clip": "1:10, 0.1"}),
        ({"clip_grad_mode": "value"}, {"gradient_clip": "0.1", "gradient_clip_by": "value"}),
        ({"clip_grad_mode": "disabled"}, {"gradient_clip": None}),
        ({"clip_grad_mode": "value", "clip_grad_value": None}, {"gradient_clip": None, "gradient_clip_by": "norm"}),
        ({"clip_grad_mode": "norm", "clip_grad_value": ""}, {"gradient_clip": None}),
        ({"learn_rate": 0.005}, {"learning_rate": "0.005"}),
        ({"gradient_step": 4, "batch_size": 2}, {"gradient_accumulation": 4, "batch_size": 2}),
        ({"shuffle_tags": True, "tag_drop_out": 0.3}, {"shuffle_tags": True, "tag_dropout": 0.3}),
        ({"latent_sampling_method": "random"}, {"latent_sampling": "random"}),
        ({"use_weight": True}, {"use_mask": True}),
        ({"use_weight": False}, {"use_mask": False}),
        ({"training_width": 96, "training_height": 64}, {"width": 96, "height": 64}),
        ({"varsize": True}, {"buckets": True, "width": None, "height": None}),
        ({"create_image_every": 5, "save_embedding_every": 7}, {"preview_every": 5, "save_every": 7}),
        ({"save_image_with_stored_embedding": True, "create_image_every": 5}, {"preview_cards": True}),
        ({"save_image_with_stored_embedding": True}, {"preview_cards": False}),  # there are no previews
        ({"template_filename": "subject"}, {"template": "subject"}),
        ({"preview_from_txt2img": True, "create_image_every": 5}, {"preview_prompt": "what txt2img says"}),
        ({"preview_from_txt2img": True}, {"preview_prompt": None, "preview_every": None}),
        ({"preview_from_txt2img": False, "create_image_every": 5}, {"preview_prompt": None}),
        ({}, {"recipe": "a1111", "overwrite": True, "template": "style_filewords"}),
    ],
)
def test_each_of_a1111s_training_fields_says_what_it_says_there(
    begun: Service, changes: dict[str, Any], said: dict[str, Any]
) -> None:
    settings = _training(begun, EMBEDDING | {"embedding_name": "begun-1"} | changes, TrainSettings)
    assert {name: getattr(settings, name) for name in said} == said


def test_training_goes_by_the_option_for_clip_skip_as_a1111s_does(begun: Service) -> None:
    said = EMBEDDING | {"embedding_name": "begun-1"}
    assert _training(begun, said, TrainSettings).clip_skip == 1
    apply_options(begun, {"CLIP_stop_at_last_layers": 2})
    assert _training(begun, said, TrainSettings).clip_skip == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_grad_mode": "both"},
        {"template_filename": "hypernetwork.txt"},
        {"template_filename": "none"},
        {"template_filename": "/etc/passwd"},
        {"template_filename": "../subject.txt"},
        {"steps": 10**9},
        {"batch_size": 10**6},
        {"learn_rate": "x" * 501},
        {"save_hypernetwork_every": 3},
    ],
)
def test_what_training_cannot_do_is_refused_and_never_ignored(begun: Service, changes: dict[str, Any]) -> None:
    with pytest.raises(RetratoError):
        _training(begun, EMBEDDING | {"embedding_name": "begun-1"} | changes, TrainSettings)


def test_photos_are_prepared_with_a1111s_fields(client: TestClient, photos: str) -> None:
    asked = {
        "id_task": "task(2)",
        "process_src": "ana",
        "process_dst": "ana-64",
        "process_width": 64,
        "process_height": 64,
        "preprocess_txt_action": "ignore",
        "process_keep_original_size": False,
        "process_flip": True,
        "process_split": False,
        "process_caption": False,
        "split_threshold": 0.5,
    }
    prepared = post(client, "preprocess", asked)
    assert prepared["info"] == "preprocess complete"
    assert "ana-64" in client.get("/api/v1/photos").json()
    assert len(client.get("/api/v1/photos/ana-64").json()["photos"]) == 8
    for wrong in ({"process_dst": "/etc/ana"}, {"process_dst": "ana"}, {"process_height": 65}, {"process_size": 1}):
        post(client, "preprocess", asked | wrong, 422)


def test_each_of_a1111s_preprocess_fields_says_what_it_says_there() -> None:
    said = _preparation({"process_width": 64, "process_height": 64, "process_split": True, "process_caption": True})
    assert (said.split, said.caption, said.existing_caption, said.crop) == (True, "blip", "ignore", "center")
    assert _preparation({"process_focal_crop": True, "preprocess_txt_action": "append"}).crop == "focal"
    for name in ("process_multicrop", "process_caption_deepbooru", "process_keep_original_size"):
        with pytest.raises(RetratoError, match="cannot do that"):
            _preparation({name: True})
