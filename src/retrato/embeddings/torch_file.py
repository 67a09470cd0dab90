"""Reads torch's pickled files (`.pt`, `.bin`) without running them, and writes the `.pt` that A1111 1.x accepts.

Reading interprets the few opcodes that describe dicts and tensors; nothing that a file names is ever imported or
called: the names in `CALLS` stand for functions of this module. Both of torch's containers are read, the zip of torch
1.6 and later and the five pickles of earlier ones. Knows nothing of what the tensors mean.
"""

import io
import math
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from torch import Tensor

from retrato.errors import EmbeddingError

MAX_PICKLE = 1_000_000  # bytes; a few hundred plus texts, and up to 600 thousand where numbers lie inside of it
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

# What damaged or hostile bytes can make the steps below raise.
BROKEN = (LookupError, TypeError, ValueError, AttributeError, OverflowError, EOFError, struct.error, RuntimeError)
# A warning counts where Python is told to raise them: pickletools reads old text with backslashes, refused anyway.
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, DeprecationWarning, *BROKEN)

Storage = Callable[[str, torch.dtype, int], Tensor]  # (key, type, count of numbers) -> tensor [count]


@dataclass(frozen=True)
class Bounds:
    """What a file may ask for at most: `what` it should be, steps of its pickle, entries of its zip, bytes unpacked.

    `described` is the length of a zip's pickle; beyond MAX_PICKLE it must not be packed, which torch never does.
    """

    what: str
    operations: int
    entries: int
    inflated: int
    described: int = MAX_PICKLE


# A real file takes a few hundred steps; what one step does may grow with those before.
EMBEDDING = Bounds("an embedding", operations=4_000, entries=64, inflated=32_000_000)


@dataclass(frozen=True)
class _Name:
    """A global that a pickle mentions; only a label."""

    text: str


class _Call:
    """A call that a pickle asks for and that is never made: its arguments, and the state that BUILD brings."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None


def read_torch(content: bytes, bounds: Bounds = EMBEDDING) -> dict[Any, Any]:
    """Gives the dict in a `.pt` or `.bin` file's `content`: texts, numbers, dicts, lists and tensors, nothing else.

    Raises EmbeddingError when the file is damaged, too large once unpacked, or asks for anything beyond data.
    """
    try:
        payload = (
            _read_zip(content, bounds)
            if content.startswith(b"PK")
            else read_legacy(io.BytesIO(content), len(content), bounds)
        )
    except EmbeddingError:
        raise
    except BROKEN_ZIP as error:
        raise EmbeddingError(f"it is cut off, damaged or no torch file, get it again ({str(error)[:80]})") from None
    if not isinstance(payload, dict):
        raise EmbeddingError(f"it holds no dict of numbers: it is not {bounds.what}")
    return payload


def torch_bytes(payload: Mapping[Any, object]) -> bytes:
    """Gives a `.pt` file. A1111 refuses entries it does not know and recent torch writes such, so they are left out."""
    written, kept = io.BytesIO(), io.BytesIO()
    torch.save(dict(payload), written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(kept, "w") as target:
        for entry in source.namelist():
            inner = entry.partition("/")[2]
            if inner in ("data.pkl", "version") or inner.startswith("data/"):
                target.writestr(zipfile.ZipInfo(f"archive/{inner}"), source.read(entry))
    return kept.getvalue()


def _read_zip(content: bytes, bounds: Bounds) -> object:
    """Reads the container of torch 1.6 and later: `x/data.pkl` and one entry `x/data/<key>` per storage."""
    if content.count(b"PK\x01\x02") > bounds.entries:
        raise EmbeddingError(
            f"it has more than {bounds.entries} entries, {bounds.what} has fewer: it is something else"
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        inflated = sum(entry.file_size for entry in entries.values())
        if inflated > bounds.inflated:
            raise EmbeddingError(
                f"it unpacks to {inflated} bytes, too large for {bounds.what} ({bounds.inflated} at most): delete it"
            )
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries.values()):
            raise EmbeddingError("it is packed in a way that torch never uses: it is no torch file, get it again")
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise EmbeddingError("it holds no data.pkl: it is no torch file, get it again")
        prefix = pickles[0].removesuffix("data.pkl")

        described = entries[pickles[0]]
        is_packed = described.compress_type != zipfile.ZIP_STORED
        if described.file_size > (MAX_PICKLE if is_packed else bounds.described):
            raise EmbeddingError(f"its description is far longer than that of {bounds.what}: it is something else")
        storages: dict[str, Tensor] = {}

        def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
            """A file may mention a storage a thousand times: it is unpacked once."""
            if key not in storages:
                entry = entries[f"{prefix}data/{key}"]
                if entry.file_size != count * dtype.itemsize:  # before it is unpacked
                    raise ValueError("a storage has another size than it claims")
                storages[key] = _numbers(archive.read(entry), dtype, count)
            return storages[key]

        return interpret(io.BytesIO(archive.read(pickles[0])), storage, bounds.operations)


def read_legacy(file: BinaryIO, size: int, bounds: Bounds = EMBEDDING) -> object:
    """Reads five pickles (magic number, version, system, object, storage keys), then each storage.

    `file` has `size` bytes. Raises EmbeddingError, or one of BROKEN_ZIP, for anything but data.
    """
    if interpret(file, _no_storage, bounds.operations) != LEGACY_MAGIC:
        raise EmbeddingError("it is no torch file: it is damaged or something else, get it again")
    interpret(file, _no_storage, bounds.operations)
    interpret(file, _no_storage, bounds.operations)
    storages: dict[str, Tensor] = {}

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        """Numbers come after the object, so memory is set aside now, never more than the file could fill."""
        if key not in storages:
            asked = sum(kept.nbytes for kept in storages.values()) + count * dtype.itemsize
            if asked > size:
                raise EmbeddingError(f"it claims {asked} bytes of numbers and has {size}: it is cut off, get it again")
            storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key]

    payload = interpret(file, storage, bounds.operations)
    for key in interpret(file, _no_storage, bounds.operations):
        target = storages[_text(key)]
        (count,) = struct.unpack("<q", file.read(8))
        if count != target.numel():
            raise EmbeddingError("its storages do not have the sizes it claims: it is damaged, get it again")
        target.copy_(_numbers(file.read(target.nbytes), target.dtype, count))
    return payload


def _no_storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
    raise EmbeddingError("it has numbers where torch has none: it is damaged, get it again")


def _numbers(data: bytes, dtype: torch.dtype, count: int) -> Tensor:
    """Gives `data` as a tensor `[count]`."""
    if len(data) != count * dtype.itemsize:
        raise EmbeddingError(
            f"a storage holds {len(data)} bytes and should hold {count} numbers: it is damaged, get it again"
        )
    return torch.frombuffer(bytearray(data), dtype=dtype) if count else torch.empty(0, dtype=dtype)


def interpret(file: BinaryIO, storage: Storage, operations: int) -> Any:
    """Gives the object that the next pickle in `file` describes; `storage` brings the numbers that it points at.

    Dicts take only texts and whole numbers as keys, and sets become lists, for the reason that `_text` gives.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    inside = 0  # bytes of numbers that lay in the pickle itself

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > operations:
            raise EmbeddingError("its description never ends: it is something else")
        name = opcode.name
        if name in LITERALS:
            stack.append(argument)
        elif name in FRESH:
            stack.append(FRESH[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in TUPLES:
            length = TUPLES[name]
            stack[len(stack) - length :] = [tuple(stack[len(stack) - length :])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _fill(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = since_mark()
            _fill(stack[-1], items)
        elif name == "APPEND":
            value = stack.pop()
            _list(stack[-1]).append(value)
        elif name in ("APPENDS", "ADDITEMS"):
            items = since_mark()
            _list(stack[-1]).extend(items)
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [_named(f"{_text(stack[-2])} {_text(stack[-1])}")]
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, called = _row(stack.pop()), CALLS[stack.pop().text]
            stack.append(called(*arguments))
            if called is _from_numpy:
                inside += stack[-1].nbytes
                if inside > file.tell():  # the same ones a thousand times
                    raise EmbeddingError("it describes more numbers than it holds: do not trust it, delete it")
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state)
        elif name == "BINPERSID":
            stack[-1] = _stored(stack[-1], storage)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise EmbeddingError(f"it uses {name}, which no torch file of tensors needs: do not trust it, delete it")
    return stack[-1]


def _stored(description: Any, storage: Storage) -> Tensor | _Name:
    """Gives the numbers that `("storage", type, key, device, count, ...)` points at.

    The older container also wraps the type ParameterDict, with its source text: `("module", type, file, source)`.
    """
    description = _row(description)
    if description[0] == "module" and isinstance(description[1], _Name):
        return description[1]
    _, kind, key, _, count, *_ = description
    if type(count) is not int or count < 0:
        raise ValueError("a storage has no size")
    return storage(_text(key), STORAGES[kind.text], count)


def _row(value: Any) -> Any:
    """Gives `value` if it is a tuple or a list: a tensor that is taken apart becomes one for each of its numbers."""
    if not isinstance(value, tuple | list):
        raise ValueError("something is no row of values")
    return value


def _sizes(value: Any) -> list[int]:
    """Gives a shape, or strides, of at most four whole numbers."""
    sizes = _row(value)
    if len(sizes) > 4 or not all(type(size) is int and 0 <= size < 2**31 for size in sizes):
        raise ValueError("a tensor is described in no known way")
    return list(sizes)


def _text(value: Any) -> str:
    """Gives `value` if it is text: formatting or hashing a tuple nested sixty deep never ends."""
    if not isinstance(value, str):
        raise ValueError("a name is not text")
    return value


def _named(text: str) -> _Name:
    """Gives a label for the global `module name`, if tensors need it."""
    if text not in CALLS and text not in STORAGES and text not in TYPES:
        shown = ".".join(text.split(" "))[:80]
        raise EmbeddingError(f"it asks to run {shown}, a forbidden global, and such a file is only numbers: delete it")
    return _Name(text)


def _fill(target: Any, items: list[Any]) -> None:
    """Puts `items` (key, value, key, value ...) into the dict `target`; keys that are bytes become labels."""
    keys = [INERT if isinstance(key, bytes | _Call) else key for key in items[::2]]
    if not isinstance(target, dict) or not all(isinstance(key, str | int | _Name) for key in keys):
        raise ValueError("a dict has unusual keys")
    target.update(zip(keys, items[1::2], strict=True))


def _list(target: Any) -> list[Any]:
    if not isinstance(target, list):
        raise ValueError("something is appended to no list")
    return target


def _build(target: Any, state: Any) -> None:
    """Gives a ParameterDict (here a plain dict) what its `state` holds; for a call it is only kept.

    Up to torch 1.11 the parameters lie in `_parameters`; from 1.12 `_keys` lists them, and plain tensors lie beside.
    """
    if isinstance(target, _Call):
        target.state = state
        return
    if not isinstance(target, dict) or not isinstance(state, dict):
        raise ValueError("only a ParameterDict has a state")
    listed, parameters = state.get("_keys", {}), state.get("_parameters", {})
    if not isinstance(listed, dict) or not isinstance(parameters, dict):
        raise ValueError("a ParameterDict has an unusual state")
    target.update({key: state[key] for key in listed if key in state})
    target.update(parameters)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """Gives a view of `storage`, after checking that it lies within."""
    sizes, strides, (offset,) = _sizes(size), _sizes(stride), _sizes((offset,))
    if not isinstance(storage, Tensor) or len(sizes) != len(strides):
        raise ValueError("a tensor is described in no known way")
    last = offset + sum((length - 1) * step for length, step in zip(sizes, strides, strict=True))
    if math.prod(sizes) and last >= storage.numel():
        raise ValueError("a tensor reaches beyond its numbers")
    return storage.as_strided(sizes, strides, offset)


def _from_numpy(array: Any, kind: Any, *_: Any) -> Tensor:
    """Gives a tensor of a Mac (torch 1.12) or of DirectML: torch wrote its numbers as an array of numpy's.

    The array's state is (version, shape, type, whether it goes by columns, bytes), the type's (version, order, ...).
    """
    _, shape, described, by_columns, content = _row(array.state)
    sizes, dtype, wanted = _sizes(shape), NUMPY_TYPES[_text(described.arguments[0])], TYPES[kind.text]
    if _text(_row(described.state)[1]) not in ("<", "|") or type(by_columns) is not bool:  # "|" is for single bytes
        raise ValueError("an array is described in no known way")
    if wanted != dtype and (wanted, dtype) != (torch.bfloat16, torch.float32):  # numpy has no bfloat16
        raise ValueError("an array has another type than its tensor")
    flat = _numbers(_bytes(content), dtype, math.prod(sizes)).to(wanted)
    return flat.reshape(sizes[::-1]).permute(list(range(len(sizes)))[::-1]) if by_columns else flat.reshape(sizes)


def _bytes(content: Any) -> bytes:
    """Gives the bytes that a pickle holds as such or, as older protocols have none, as text."""
    if isinstance(content, _Call):
        text, encoding = content.arguments
        if _text(encoding) != "latin1":
            raise ValueError("bytes are written in no known way")
        return _text(text).encode("latin1")
    if not isinstance(content, bytes):
        raise ValueError("an array has no bytes")
    return content


def _moved(data: Any, kind: Any, *_: Any) -> Tensor:
    """Gives a tensor of a device without storages, which newer torch writes as one of the processor's."""
    if not isinstance(data, Tensor) or data.dtype != TYPES[kind.text]:
        raise ValueError("a tensor has another type than it claims")
    return data


def _empty() -> dict[Any, Any]:
    """Stands for `ParameterDict`, whose contents `_build` brings; takes no arguments, as `dict` would."""
    return {}


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    """Stands for `OrderedDict`, which torch pickles empty or as a list of pairs."""
    result: dict[Any, Any] = {}
    _fill(result, [part for key, value in map(_row, _row(pairs)) for part in (key, value)])
    return result


INERT = _Name("something that is no number of an embedding or a model")
LITERALS = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    }
)
FRESH: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
TUPLES: Mapping[str, int] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
STORAGES: Mapping[str, torch.dtype] = {
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
TYPES: Mapping[str, torch.dtype] = {str(dtype).replace(".", " "): dtype for dtype in STORAGES.values()}
NUMPY_TYPES: Mapping[str, torch.dtype] = {
    "f8": torch.float64,
    "f4": torch.float32,
    "f2": torch.float16,
    "i8": torch.int64,
    "i4": torch.int32,
    "i2": torch.int16,
    "i1": torch.int8,
    "u1": torch.uint8,
    "b1": torch.bool,
}
CALLS: Mapping[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": lambda data, *_: data,
    "torch._utils _rebuild_parameter_with_state": lambda data, *_: data,
    "torch._utils _rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": _moved,
    "torch.nn.modules.container ParameterDict": _empty,
    "torch Size": lambda sizes: sizes,
    "__builtin__ set": lambda items=(): items,
    "builtins set": lambda items=(): items,
    # What training programs leave beside the numbers, such as bytes and the losses so far: labels, nothing more, but
    # for those arrays that _from_numpy makes tensors of.
    "numpy.core.multiarray scalar": lambda *_: INERT,
    "numpy.core.multiarray _reconstruct": _Call,
    "numpy._core.multiarray scalar": lambda *_: INERT,  # numpy 2
    "numpy._core.multiarray _reconstruct": _Call,
    "numpy ndarray": lambda *_: INERT,
    "numpy dtype": _Call,
    "_codecs encode": _Call,
    "__builtin__ bytes": lambda *_: INERT,
    "pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint": _Call,
}
