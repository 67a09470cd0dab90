"""What it takes to refuse a hostile embedding: seconds of the processor, and memory beyond what the process held.

python -m benchmarks.refusals                      the table and one line of JSON; ends with 1 beyond 0.2 s or 200 MB

The files are those of tests/golden that are to be refused, and worse ones that are made on the spot, each as large as
the reader's own bounds let it be. Each is read in a process of its own that has read good files before. The clock is
the processor's and the least of three times counts, so that a busy machine matters little; memory is the most of three,
the peak of the resident set as Linux's /proc has it.
"""

import argparse
import base64
import io
import json
import os
import pickle
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks.main_job import circumstances
from retrato.embeddings import read_embedding
from retrato.embeddings.card import MAX_JSON, MAX_PIXELS, TEXT_KEY
from retrato.embeddings.formats import MAX_FILE
from retrato.embeddings.safetensors_file import MAX_BRACKETS, MAX_HEADER
from retrato.embeddings.torch_file import EMBEDDING, MAX_PICKLE
from retrato.errors import EmbeddingError

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "data" / "embeddings"
MOST_SECONDS, MOST_MB = 0.2, 200
RUNS = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """What refusing one file took; `said` is the sentence, None where the file was read."""

    file: str
    seconds: float
    mb: float
    said: str | None

    @property
    def is_within(self) -> bool:
        """Says whether it was refused, and within the bounds."""
        return self.said is not None and self.seconds <= MOST_SECONDS and self.mb <= MOST_MB


def _safetensors(header: str, numbers: int = 0) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + bytes(numbers)


def _zipped(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def _saved(tensor: torch.Tensor, *, legacy: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"string_to_param": {"*": tensor}}, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _card(text: str) -> bytes:
    """Gives a PNG with that JSON in its text chunk, unpacked: there Pillow has bounds of its own."""
    written, facts = io.BytesIO(), PngInfo()
    facts.add_text(TEXT_KEY, base64.b64encode(text.encode()).decode())
    Image.new("RGB", (8, 8)).save(written, "PNG", pnginfo=facts)
    return written.getvalue()


def _noise(form: str) -> bytes:
    """Gives a picture with as many pixels as a card may have, and black columns where a card has its own."""
    side = int(MAX_PIXELS**0.5)
    pixels = np.random.default_rng(0).integers(1, 256, (side, side, 3), dtype=np.uint8)
    pixels[:, [side // 3, side * 2 // 3]] = 0
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, **({"lossless": True, "method": 0} if form == "WEBP" else {}))
    return written.getvalue()


def _filled(pattern: str, length: int, before: str = "", after: str = "") -> str:
    return before + pattern * ((length - len(before) - len(after)) // len(pattern)) + after


ENTRY = '"t":{"dtype":"F32","shape":[1,768],"data_offsets":[0,0]},'
MADE: Mapping[str, Callable[[], bytes]] = {
    "header of many tensors.safetensors": lambda: _safetensors(
        "{" + "".join(ENTRY.replace("t", f"t{number}", 1) for number in range(MAX_HEADER // 66))[:-1] + "}"
    ),
    "header of empty lists.safetensors": lambda: _safetensors(_filled("[],", MAX_HEADER, '{"a":[', "0]}")),
    "header of as many empty lists as may be.safetensors": lambda: _safetensors(
        _filled("[],", 3 * MAX_BRACKETS - 10, '{"a":[', "0]}")
    ),
    "header of open brackets.safetensors": lambda: _safetensors("[" * MAX_HEADER),
    "one very long vector.safetensors": lambda: _safetensors(
        json.dumps({"emb_params": {"dtype": "I8", "shape": [1, MAX_FILE // 2], "data_offsets": [0, MAX_FILE // 2]}}),
        MAX_FILE // 2,
    ),
    "one very long vector.pt": lambda: _saved(torch.zeros(1, EMBEDDING.inflated // 4 - 500), legacy=False),
    "one very long vector in the older container.pt": lambda: _saved(
        torch.zeros(1, MAX_FILE // 4 - 500, dtype=torch.float32), legacy=True
    ),
    "zeros that unpack to the bound.pt": lambda: _zipped(
        ("data.pkl", pickle.dumps({}, 2)), ("data/0", bytes(EMBEDDING.inflated - 1000))
    ),
    "a description as long as may be.pt": lambda: _zipped(("data.pkl", pickle.dumps(["x" * (MAX_PICKLE - 100)], 2))),
    "as many steps as may be.pt": lambda: _zipped(("data.pkl", b"\x80\x02]" + b"]a" * 10_000 + b".")),
    "a row of numbers in its text.png": lambda: _card(
        _filled("0.1,", MAX_JSON, '{"string_to_param":{"*":{"TORCHTENSOR":[[', "0]]}}}")
    ),
    "many numbers and one that is none.png": lambda: _card(
        json.dumps({"string_to_param": {"*": {"TORCHTENSOR": [[0.125] * 5000] * 74 + [[float("inf")] * 5000]}}})
    ),
    "whole numbers in its text.png": lambda: _card(_filled("1,", MAX_JSON, '{"string_to_param":[', "0]}")),
    "lists in its text.png": lambda: _card(_filled("[],", 3 * MAX_BRACKETS, '{"string_to_param":[', "0]}")),
    "noise with black columns.png": lambda: _noise("PNG"),
    "noise with black columns.webp": lambda: _noise("WEBP"),
}


def hostile_files(folder: Path) -> Iterator[Path]:
    """Gives the files to be refused; those that are made are written to `folder`."""
    for entry in json.loads((GOLDEN / "manifest.json").read_text())["files"]:
        if entry["load_should"] == "be refused":
            yield GOLDEN / entry["file"]
    for name, made in MADE.items():
        path = folder / name
        path.write_bytes(made())
        yield path


def measured(path: Path) -> Refusal:
    """Reads a file in a process of its own, and gives what that took."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = _read_and_tell(path)
        with os.fdopen(writing, "w") as pipe:
            json.dump(said, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        return Refusal(path.name, 0.0, 0.0, None)
    return Refusal(path.name, *json.loads(text))


def _read_and_tell(path: Path) -> tuple[float, float, str | None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started, said = _kilobytes("VmRSS"), time.process_time(), None
    try:
        read_embedding(path)
    except EmbeddingError as error:
        said = str(error)
    seconds = time.process_time() - started
    return round(seconds, 4), round((_kilobytes("VmHWM") - before) / 1000, 1), said


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def least(runs: Sequence[Refusal]) -> Refusal:
    """Gives the least time and the most memory of several readings of a file; read once is not refused."""
    said = None if any(each.said is None for each in runs) else runs[0].said
    return Refusal(runs[0].file, min(each.seconds for each in runs), max(each.mb for each in runs), said)


def refusals() -> list[Refusal]:
    """Gives what refusing each file took, the slowest first."""
    for name in ("a1111_1v.pt", "a1111_1v.safetensors", "a1111_png_1v.png", "a1111_legacy_nonzip.pt"):
        read_embedding(GOLDEN / name)  # what is loaded at the first file is not the others' business
    with tempfile.TemporaryDirectory() as folder:
        found = [least([measured(path) for _ in range(RUNS)]) for path in hostile_files(Path(folder))]
    return sorted(found, key=lambda each: -each.seconds)


def main() -> None:
    """Prints what refusing each took."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found = refusals()
    for each in found:
        said = each.said or "NOT REFUSED"
        print(f"{each.seconds:7.3f} s {each.mb:7.1f} MB  {each.file}: {said.removeprefix(each.file)[:90]}")
    beyond = [each.file for each in found if not each.is_within]
    worst = {"seconds": max(each.seconds for each in found), "mb": max(each.mb for each in found)}
    print(json.dumps({**circumstances(), "files": len(found), "worst": worst, "beyond": beyond,
                      "refusals": [asdict(each) for each in found]}))  # fmt: skip
    raise SystemExit(1 if beyond else 0)


if __name__ == "__main__":
    main()
