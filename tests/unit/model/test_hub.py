"""Downloads from a hub on this machine, which speaks as much of the real one's language as the library needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from retrato.errors import ModelError
from retrato.model.hub import fetch_model, wanted_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serves `somebody/tiny`, the tiny folder, and gives the list of what was asked for."""
    asked: list[str] = []
    files = {str(path.relative_to(tiny_folder)): path.read_bytes() for path in tiny_folder.rglob("*") if path.is_file()}
    files |= {"unet/code.py": b"print('hello')", "unet/diffusion_pytorch_model.bin": b"pickle", "README.md": b"#"}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, *, with_body: bool) -> None:
            asked.append(self.path)
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/somebody/tiny/tree"):
                tree = [{"type": "file", "path": name, "size": len(content)} for name, content in files.items()]
                body, status = json.dumps([{**each, "oid": "0" * 40} for each in tree]).encode(), 200
            elif path.startswith("/api/models/somebody/tiny"):
                siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
                body, status = json.dumps({"id": "somebody/tiny", "sha": COMMIT, "siblings": siblings}).encode(), 200
            elif (name := path.removeprefix(f"/somebody/tiny/resolve/{COMMIT}/")) in files:
                body, status = files[name], 200
            else:
                body, status = b"{}", 404
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_comes_without_code_and_pickles(hub: list[str], tmp_path: Path) -> None:
    path = fetch_model("somebody/tiny", tmp_path)
    assert path == tmp_path / "somebody--tiny"
    names = {file.name for file in path.rglob("*") if ".cache" not in file.parts}
    assert "model_index.json" in names
    assert not {"code.py", "diffusion_pytorch_model.bin", "README.md"} & names
    assert not any("code.py" in asked for asked in hub if "resolve" in asked)
    count = len(hub)
    assert fetch_model("somebody/tiny", tmp_path) == path
    assert len(hub) == count, "what is here is not asked for again"
    with pytest.raises(ModelError, match="no model somebody/absent on the hub"):
        fetch_model("somebody/absent", tmp_path)


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
