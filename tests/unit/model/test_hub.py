"""Downloads from a hub on this machine, which speaks as much of the real one's language as the library needs."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from safetensors.torch import save

from benchmarks.ldm_file import ldm_tensors
from retrato.errors import ModelError
from retrato.model.companions import scorer_of
from retrato.model.hub import _download, fetch_model, wanted_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"


LARGE = "vae/diffusion_pytorch_model.safetensors"
CHUNK = 10 << 20  # huggingface_hub writes so many bytes at once


@dataclass
class Hub:
    """What `somebody/tiny` holds, what was asked for, and what goes wrong."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    commit: str = COMMIT
    config: dict[str, str] | None = None
    ends_at: int | None = None  # byte of the large file where the connection breaks, and after which it is refused


@pytest.fixture
def hub(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serves `somebody/tiny`, the tiny folder."""
    files = {str(path.relative_to(tiny_folder)): path.read_bytes() for path in tiny_folder.rglob("*") if path.is_file()}
    files |= {"unet/code.py": b"print('hello')", "unet/diffusion_pytorch_model.bin": b"pickle", "README.md": b"#"}
    said = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.asked.append(self.path)
            path = self.path.partition("?")[0]
            start, end = 0, None
            if path.startswith("/api/models/somebody/tiny"):
                siblings = [_sibling(name, content) for name, content in said.files.items()]
                about = {"id": "somebody/tiny", "sha": said.commit, "siblings": siblings, "config": said.config}
                body, status = json.dumps(about), 200
                content = body.encode()
            elif (name := path.removeprefix(f"/somebody/tiny/resolve/{said.commit}/")) in said.files:
                content, status = said.files[name], 200
                if given := self.headers["Range"]:
                    said.ranges.append(given)
                    start, status = int(given.removeprefix("bytes=").rstrip("-")), 206
                if name == LARGE and said.ends_at is not None:
                    start, end, status = (0, said.ends_at, 200) if start == 0 else (0, None, 503)
            else:
                content, status = b"{}", 404
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def _sibling(name: str, content: bytes) -> dict[str, object]:
    """Gives what the hub says about a file; large ones have the sum of their content."""
    said = {"rfilename": name, "size": len(content)}
    lfs = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 130}
    return {**said, "lfs": lfs} if name.endswith(".safetensors") else said


def test_a_model_comes_without_code_and_pickles(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = fetch_model("somebody/tiny", tmp_path)
    assert path == tmp_path / "models" / "somebody--tiny"
    assert "somebody/tiny: 0.00 GB to download" in capfd.readouterr().err
    names = {file.name for file in path.rglob("*")}
    assert "model_index.json" in names
    assert not {"code.py", "diffusion_pytorch_model.bin", "README.md"} & names
    assert not any("code.py" in asked for asked in hub.asked)
    assert [each.name for each in path.parent.iterdir()] == ["somebody--tiny"]
    count = len(hub.asked)
    assert fetch_model("somebody/tiny", tmp_path) == path
    assert len(hub.asked) == count, "what is here is not asked for again"
    with pytest.raises(ModelError, match="no model somebody/absent on the hub"):
        fetch_model("somebody/absent", tmp_path)


def test_an_interrupted_download_goes_on_within_the_file(hub: Hub, tmp_path: Path) -> None:
    hub.files[LARGE] = bytes(range(256)) * (3 * CHUNK // 256)
    hub.ends_at = 2 * CHUNK - 1
    with pytest.raises(ModelError, match="the same command goes on where it stopped"):
        fetch_model("somebody/tiny", tmp_path)
    assert (tmp_path / "models" / ".somebody--tiny.partial" / f"{LARGE}.part").stat().st_size == CHUNK
    assert not (tmp_path / "models" / "somebody--tiny").exists()
    hub.ends_at = None
    hub.ranges.clear()
    hub.asked.clear()
    path = fetch_model("somebody/tiny", tmp_path)
    assert (path / LARGE).read_bytes() == hub.files[LARGE]
    assert hub.ranges == [f"bytes={CHUNK}-"]
    assert not any("text_encoder/" in asked for asked in hub.asked), "what is whole is not asked for again"


def test_parts_of_two_states_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".revision").write_text("another")
    _download(*listed(), tmp_path)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(".revision", COMMIT)]


def test_what_came_damaged_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors.part").write_bytes(b"wrong")
    with pytest.raises(ModelError, match=r"x\.safetensors of somebody/tiny came damaged and is deleted"):
        _download(*listed(_sibling("x.safetensors", b"right")), tmp_path)
    assert not list(tmp_path.glob("x*"))


def test_what_cannot_be_is_said_before_anything_comes(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes 1000000.00 GB and .* free"):
        _download(*listed({"rfilename": "x.safetensors", "size": 10**15}), tmp_path)
    with pytest.raises(ModelError, match=r"'../x.safetensors', which would lie elsewhere"):
        _download(*listed({"rfilename": "../x.safetensors", "size": 1}), tmp_path)


def listed(*siblings: dict[str, object]) -> tuple[ModelInfo, list[RepoSibling]]:
    """Gives what the hub's library makes of its answer."""
    model = ModelInfo(id="somebody/tiny", sha=COMMIT, siblings=list(siblings))
    return model, list(model.siblings or [])


def test_one_file_of_a_repository(hub: Hub, family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    hub.files["people.safetensors"] = save(ldm_tensors(family_folder("sd1")))
    path = fetch_model("somebody/tiny", tmp_path, "people.safetensors")
    assert path == tmp_path / "models" / "people.safetensors"
    assert [each.name for each in path.parent.iterdir()] == ["people.safetensors"]


@pytest.mark.parametrize("says", [True, False])
def test_a_clip_model_comes_as_a_scorer(hub: Hub, clip_folder: Path, tmp_path: Path, says: bool) -> None:
    hub.files = {path.name: path.read_bytes() for path in clip_folder.iterdir()}
    hub.files |= {"pytorch_model.bin": b"pickle", "README.md": b"#"}
    hub.config = {"model_type": "clip"} if says else None
    path = fetch_model("somebody/tiny", tmp_path)
    assert path == tmp_path / "scorers" / "somebody--tiny"
    assert not {"pytorch_model.bin", "README.md"} & {each.name for each in path.iterdir()}
    count = len(hub.asked)
    assert fetch_model("somebody/tiny", tmp_path) == path
    assert len(hub.asked) == count, "what is here is not asked for again"
    assert scorer_of(tmp_path / "no-model", tmp_path, named="somebody/tiny") is not None


def test_a_clip_model_in_pickles_only_is_refused_before_anything_comes(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"{}", "preprocessor_config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(ModelError, match="somebody/tiny has no weights in safetensors"):
        fetch_model("somebody/tiny", tmp_path)
    assert len(hub.asked) == 1


def test_a_wrong_name_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    for name in ("painting", "../x", "a/b/c", "https://hub/x", "-a/b"):
        with pytest.raises(ModelError, match="no name on the hub"):
            fetch_model(name, tmp_path)


def test_weights_are_taken_once() -> None:
    files = [
        "model_index.json",
        "v1-5-pruned.ckpt",
        "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json",
        "tokenizer/merges.txt",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/strange.py",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    chosen = wanted_files(files)
    assert "unet/diffusion_pytorch_model.safetensors" in chosen
    assert "text_encoder/model.fp16.safetensors" in chosen
    assert {"model_index.json", "tokenizer/merges.txt", "unet/config.json"} <= set(chosen)
    assert not {name for name in chosen if name.endswith((".bin", ".ckpt", ".py"))}
    assert not {
        name for name in chosen if "non_ema" in name or name.startswith(("safety", "unet/diffusion_pytorch_model.fp16"))
    }
