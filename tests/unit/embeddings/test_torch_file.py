import codecs
import collections
import io
import os
import pickle
import pickletools
import re
import struct
import time
import zipfile

import numpy
import pytest
import torch

from retrato.embeddings import Embedding
from retrato.embeddings.layout import from_payload, to_payload
from retrato.embeddings.torch_file import read_torch, torch_bytes
from retrato.errors import EmbeddingError

VECTORS = torch.tensor([[1.0, -2.0, 3.0, 4.0]])


def saved(thing, **options):
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


def zipped(data, entries=(), **options):
    """Gives a torch zip around the pickle `data`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in [("archive/data.pkl", data), *entries]:
            archive.writestr(name, content)
    return file.getvalue()


def legacy(data, keys=(), numbers=b""):
    """Gives a torch file of five pickles around the pickle `data`."""
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(head, 2) for head in heads) + data + pickle.dumps(list(keys), 2) + numbers


class Call:
    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


CONTAINERS = [
    {"_use_new_zipfile_serialization": True},
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": True, "pickle_protocol": 4},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
]


@pytest.mark.parametrize("options", CONTAINERS, ids=["zip", "legacy", "zip4", "legacy5"])
@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8],
)
def test_reads_every_number_type_in_both_containers(dtype, options):
    tensor = torch.stack([VECTORS[0], VECTORS[0] * 2]).to(dtype)
    payload = {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": {"*": tensor.t().contiguous().t()},
        "tail": tensor[1:],
        "learned": torch.nn.Parameter(VECTORS),
        "extra": [1, 2.5, None, True, "é", ("a", "b", "c", "d"), {"x"}, collections.OrderedDict(a=1), torch.Size([2])],
    }
    read = read_torch(saved(payload, **options))
    assert torch.equal(read["string_to_param"]["*"], tensor)
    assert torch.equal(read["tail"], tensor[1:])
    assert torch.equal(read["learned"], VECTORS)
    assert not read["learned"].requires_grad
    assert read["string_to_token"]["*"].item() == 265
    assert read["extra"][:6] == [1, 2.5, None, True, "é", ("a", "b", "c", "d")]
    assert read["extra"][7] == {"a": 1}


@pytest.mark.parametrize("options", CONTAINERS[:3], ids=["zip", "legacy", "zip4"])
@pytest.mark.parametrize(
    "kept", [b"", b"bytes", {b"key": 1}, numpy.float64(0.25), numpy.str_("ana"), numpy.arange(3.0), VECTORS > 0]
)
def test_what_training_programs_leave_beside_the_vectors_does_no_harm(kept, options):
    learned = torch.nn.Parameter(VECTORS)
    learned.note = "an attribute"
    content = saved({"name": kept, "string_to_param": {"*": learned}, "step": 3}, **options)
    is_legacy = options == CONTAINERS[1]  # where the names of numpy 1 can simply be put in
    for each in (content, content.replace(b"numpy._core.", b"numpy.core.") if is_legacy else content):
        embedding = from_payload(read_torch(each), "ana")
        assert (embedding.vectors[0].tolist(), embedding.step) == (VECTORS.tolist(), 3)


@pytest.mark.parametrize("options", CONTAINERS[:2], ids=["zip", "legacy"])
@pytest.mark.parametrize("torch_1_11", [False, True])
def test_reads_a_parameter_dict_of_any_torch(torch_1_11, options):
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})
    if torch_1_11:
        del parameters.__dict__["_keys"]
    embedding = from_payload(read_torch(saved({"string_to_param": parameters}, **options)), "ana")
    assert embedding.vectors[0].tolist() == VECTORS.tolist()


def test_reads_a_plain_tensor_kept_in_a_parameter_dict():
    parameters = torch.nn.ParameterDict()
    parameters["*"] = VECTORS
    read = read_torch(saved({"string_to_param": parameters}))
    assert read["string_to_param"]["*"].tolist() == VECTORS.tolist()


def on_device(array, dtype=torch.float32, device="mps:0"):
    """Stands for a tensor on a Mac (torch 1.12) or on DirectML: torch pickles it so."""
    return Call(torch._utils._rebuild_device_tensor_from_numpy, array, dtype, device, True)


@pytest.mark.parametrize("options", CONTAINERS[:3], ids=["zip", "legacy", "zip4"])
@pytest.mark.parametrize("device", ["mps:0", "privateuseone:0"])
def test_reads_what_a1111_saved_on_a_mac_or_with_directml(device, options):
    learned = Call(torch._utils._rebuild_parameter, on_device(VECTORS.numpy(), device=device), True, {})
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})
    parameters.__dict__["_parameters"]["*"] = learned
    content = saved({"string_to_token": {"*": 265}, "string_to_param": parameters, "name": "ana", "step": 9}, **options)
    is_legacy = options == CONTAINERS[1]
    for each in (content, content.replace(b"numpy._core.", b"numpy.core.") if is_legacy else content):
        embedding = from_payload(read_torch(each), "ana")
        assert (embedding.vectors[0].tolist(), embedding.step) == (VECTORS.tolist(), 9)


@pytest.mark.parametrize("options", CONTAINERS[:3], ids=["zip", "legacy", "zip4"])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_reads_arrays_of_any_type_and_order(kind, options):
    array = numpy.arange(24).reshape(2, 3, 4).astype(kind)
    dtype = getattr(torch, kind)
    read = read_torch(
        saved(
            {
                "rows": on_device(array, dtype),
                "columns": on_device(numpy.asfortranarray(array), dtype),
                "flat": on_device(array.reshape(-1)[:3], dtype),
            },
            **options,
        )
    )
    expected = torch.from_numpy(array)
    assert read["rows"].dtype == dtype
    assert torch.equal(read["rows"], expected)
    assert torch.equal(read["columns"], expected)
    assert read["flat"].tolist() == expected.reshape(-1)[:3].tolist()


def test_reads_bfloat16_that_numpy_does_not_have_and_tensors_of_newer_torch():
    array = numpy.array([[1.0, -2.5]], dtype="f4")
    content = saved(
        {
            "half": on_device(array, torch.bfloat16),
            "new": Call(torch._utils._rebuild_device_tensor_from_cpu_tensor, VECTORS, torch.float32, "xpu:0", False),
        }
    )
    read = read_torch(content)
    assert (read["half"].dtype, read["half"].tolist()) == (torch.bfloat16, [[1.0, -2.5]])
    assert read["new"].tolist() == VECTORS.tolist()


GOOD = {"shape": (1, 4), "kind": "f4", "order": "<", "by_columns": False, "content": VECTORS.numpy().tobytes()}
NESTED = ((),)
for _ in range(60):  # 2 ** 60 leaves, a few bytes in a pickle
    NESTED = (NESTED, NESTED)


def array(shape, kind, order, by_columns, content):
    """Gives what is pickled as an array with any claims."""
    described = Call(numpy.dtype, kind, False, True, state=(3, order, None, None, None, -1, -1, 0))
    state = (1, shape, described, by_columns, content)
    return Call(numpy.arange(1).__reduce__()[0], numpy.ndarray, (0,), b"b", state=state)


def test_the_hand_made_array_is_a_good_one():
    assert read_torch(saved({"a": on_device(array(**GOOD))}))["a"].tolist() == VECTORS.tolist()


@pytest.mark.parametrize("options", CONTAINERS[:3], ids=["zip", "legacy", "zip4"])
@pytest.mark.parametrize(
    "claims",
    [
        {"shape": (1, 5)},
        {"shape": (1, 3)},
        {"shape": (2**31 - 1, 2**31 - 1)},
        {"shape": (2**60, 2**60)},
        {"shape": (-1, -4)},
        {"shape": (1,) * 4000},
        {"shape": "1, 4"},
        {"shape": NESTED},
        {"shape": torch.zeros(1_000_000, dtype=torch.int64)},
        {"kind": "O8", "content": [1.0, 2.0, 3.0, 4.0]},
        {"kind": "U1"},
        {"kind": "c8"},
        {"kind": "f8"},
        {"kind": "f2"},
        {"kind": NESTED},
        {"order": ">"},
        {"order": NESTED},
        {"by_columns": NESTED},
        {"content": 2_000_000_000},
        {"content": None},
        {"content": [0] * 16},
        {"content": "text of sixteen."},
        {"content": NESTED},
        {"content": torch.zeros(16, dtype=torch.uint8)},
        {"content": Call(codecs.encode, "€" * 16, "latin1")},
        {"content": Call(codecs.encode, "text of sixteen.", "utf-8")},
    ],
)
def test_refuses_lying_arrays_at_once(claims, options):
    content = saved({"a": on_device(array(**GOOD | claims))}, **options)
    started = time.process_time()
    with pytest.raises(EmbeddingError):
        read_torch(content)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "thing",
    [
        on_device(VECTORS.numpy(), torch.float64),
        on_device(VECTORS.numpy(), "torch.float32"),
        on_device(VECTORS),
        on_device(NESTED),
        Call(torch._utils._rebuild_device_tensor_from_cpu_tensor, VECTORS, torch.float64, "xpu:0", False),
        Call(torch._utils._rebuild_device_tensor_from_cpu_tensor, VECTORS.numpy(), torch.float32, "xpu:0", False),
    ],
    ids=["another type", "no type", "no array", "nested", "another type of the processor's", "not the processor's"],
)
def test_refuses_tensors_of_a_device_that_are_none(thing):
    with pytest.raises(EmbeddingError):
        read_torch(saved({"a": thing}))


def test_an_array_of_objects_beside_the_vectors_does_no_harm():
    kept = array(**GOOD | {"kind": "O8", "content": [{"loss": 1.0}, None, "a", 2]})
    assert read_torch(saved({"losses": kept, "a": VECTORS}))["a"].tolist() == VECTORS.tolist()


def test_numbers_in_the_description_cannot_be_multiplied():
    text = "x" * 900_000
    encoded = Call(codecs.encode, text, "latin1")
    many = [on_device(array(**GOOD | {"shape": (225_000,), "content": encoded})) for _ in range(40)]
    with pytest.raises(EmbeddingError, match="more numbers than it holds"):
        read_torch(saved(many))


def test_a_tensor_is_never_taken_apart_number_by_number():
    """Which takes a second and 600 MB for each million of them."""
    storage = tensor_pickle(("0", 2_000_000)).split(b"_rebuild_tensor_v2\n(")[1].split(b"Q")[0] + b"Q"
    entries = [("archive/data/0", bytes(8_000_000))]
    for data in (
        b"ccollections\nOrderedDict\n" + storage + b"R.",
        b"ccollections\nOrderedDict\n" + storage + b"\x85R.",
        b"ccollections\nOrderedDict\n]" + storage + b"a\x85R.",
        storage + b"Q.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + storage + b"K\x01\x85tR.",
    ):
        started = time.process_time()
        with pytest.raises(EmbeddingError):
            read_torch(zipped(b"\x80\x02" + data, entries))
        assert time.process_time() - started < 1


def test_writes_only_entries_and_globals_that_a1111_lists():
    content = torch_bytes(to_payload(Embedding("ana", (VECTORS,), 3, "sd", "1", {"a": "b"})))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert all(re.fullmatch(r"[^/]+/(data/\d+|version|data\.pkl)", name) for name in archive.namelist())
        operations = list(pickletools.genops(archive.read("archive/data.pkl")))
    assert {argument for opcode, argument, _ in operations if "GLOBAL" in opcode.name} == {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch FloatStorage",
    }
    loaded = torch.load(io.BytesIO(content), weights_only=True)
    assert torch.equal(loaded["string_to_param"]["*"], VECTORS)
    assert (loaded["name"], loaded["step"], loaded["sd_checkpoint"]) == ("ana", 3, "1")


def hostile(marker):
    command = f"touch {marker}"
    yield "system", Call(os.system, command)
    yield "eval", Call(eval, f"__import__('os').system({command!r})")
    yield "in a set", {"string_to_param": Call(set, [Call(os.system, command)])}
    yield "getattr", Call(getattr, Call(__import__, "os"), "system")
    yield "partial", Call(__import__("functools").partial, os.system, command)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("kind", [name for name, _ in hostile("")])
def test_runs_nothing(kind, protocol, tmp_path):
    marker = tmp_path / "marker"
    data = pickle.dumps(dict(hostile(marker))[kind], protocol)
    for content in (data, zipped(data), legacy(data), legacy(pickle.dumps({}, 2))[:-3] + data):
        with pytest.raises(EmbeddingError):
            read_torch(content)
    assert not marker.exists()


def test_runs_nothing_by_old_opcodes(tmp_path):
    marker = tmp_path / "marker"
    instance = b"(S'touch %s'\nios\nsystem\n." % bytes(marker)
    with pytest.raises(EmbeddingError):
        read_torch(zipped(instance))
    assert not marker.exists()


def nested(depth):
    """Gives a pickle of ((..., ...), (..., ...)) by references: 2 ** depth leaves, which hashing would all visit."""
    return b"\x80\x02)" + b"".join(b"q\x00h\x00h\x00\x86" for _ in range(depth))


def tensor_pickle(storage=("0", 4), offset=0, size=(1, 4), stride=(4, 1)):
    """Gives the pickle of `{"a": tensor}` with any claims."""
    key, count = storage

    def number(value):
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    def group(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    text = b"X" + struct.pack("<I", len(key)) + key.encode()
    persistent = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + text + b"X\x03\x00\x00\x00cpu" + number(count) + b"tQ"
    )
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + persistent + number(offset) + group(size) + group(stride)
    return b"\x80\x02}X\x01\x00\x00\x00a" + rebuilt + b"\x89)tRs."


NUMBERS = [("archive/data/0", struct.pack("<4f", 1, -2, 3, 4))]


def test_the_hand_made_pickle_is_a_good_one():
    assert read_torch(zipped(tensor_pickle(), NUMBERS))["a"].tolist() == VECTORS.tolist()
    count = struct.pack("<q", 4)
    assert read_torch(legacy(tensor_pickle(), ["0"], count + NUMBERS[0][1]))["a"].tolist() == VECTORS.tolist()


@pytest.mark.parametrize(
    "claims",
    [
        {"storage": ("0", 5)},
        {"storage": ("0", -1)},
        {"storage": ("0", 2**60)},
        {"storage": ("1", 4)},
        {"storage": ("../x", 4)},
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**60},
        {"size": (2, 4)},
        {"size": (2**60, 2**60)},
        {"size": (-1, 4)},
        {"stride": (1,)},
        {"stride": (4, 2)},
        {"stride": (-4, 1)},
        {"size": (1,) * 9, "stride": (1,) * 9},
    ],
)
def test_refuses_lying_tensors(claims):
    for content in (
        zipped(tensor_pickle(**claims), NUMBERS),
        legacy(tensor_pickle(**claims), ["0"], struct.pack("<q", 4) + NUMBERS[0][1]),
    ):
        with pytest.raises(EmbeddingError):
            read_torch(content)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x80\x02]q\xffj\xff\xff\xff\x7f.", id="memo that is not there"),
        pytest.param(b"\x80\x02}r\xff\xff\xff\x7f.", id="memo far away gives an empty dict"),
        pytest.param(nested(60) + b".", id="nested tuples"),
        pytest.param(b"\x80\x02}" + nested(60)[2:] + b"K\x01s.", id="nested tuples as a key"),
        pytest.param(b"\x80\x02c__builtin__\nset\n](" + nested(60)[2:] + b"e\x85R.", id="nested tuples in a set"),
        pytest.param(
            b"\x80\x02ccollections\nOrderedDict\n]" + nested(60)[2:] + b"K\x01\x86a\x85R.", id="in OrderedDict"
        ),
        pytest.param(b"\x80\x02" + b"]" * 5000 + b".", id="very long"),
        pytest.param(b"\x80\x02\x8e" + struct.pack("<Q", 2**62) + b"abc.", id="long bytes"),
        pytest.param(b"\x80\x02X\xff\xff\xff\x7fabc.", id="long text"),
        pytest.param(b"\x80\x02t.", id="no mark"),
        pytest.param(b"\x80\x02s.", id="empty stack"),
        pytest.param(b"\x80\x02}K\x01a.", id="append to a dict"),
        pytest.param(b"\x80\x02}}b.", id="state of a dict gives an empty dict"),
        pytest.param(b"\x80\x02ctorch\nFloatStorage\n)R.", id="call of a type"),
        pytest.param(b"\x80\x02K\x01.", id="a number"),
        pytest.param(b"\x80\x02}", id="no end"),
        pytest.param(b"\x80\x02S'\\K'\n.", id="old text with an escape that is none"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x02" + nested(60)[2:] + b"Q.", id="persistent nested tuples"),
    ],
)
def test_strange_pickles_end_quickly_with_a_sentence_or_an_empty_dict(data):
    for content in (zipped(data, NUMBERS), legacy(data)):
        try:
            result = read_torch(content)
        except EmbeddingError as error:
            result = str(error)[300:]
        assert len(result) == 0


def test_refuses_strange_zips():
    good = tensor_pickle()
    with pytest.raises(EmbeddingError, match="more than 64 entries"):
        read_torch(zipped(good, [(f"archive/data/{number}", b"") for number in range(65)]))
    with pytest.raises(EmbeddingError, match="never uses"):
        read_torch(zipped(good, NUMBERS, compression=zipfile.ZIP_LZMA))
    with pytest.raises(EmbeddingError, match=r"no data\.pkl"):
        read_torch(zipped(good, [("other/data.pkl", good)]))
    with pytest.raises(EmbeddingError, match="far longer"):
        read_torch(zipped(b"X" * 1_000_001))
    with pytest.raises(EmbeddingError, match="too large"):
        read_torch(zipped(good, [("archive/data/0", bytes(33_000_000))], compression=zipfile.ZIP_DEFLATED))
    assert read_torch(zipped(good, NUMBERS, compression=zipfile.ZIP_DEFLATED))["a"].tolist() == VECTORS.tolist()


def test_a_storage_of_another_size_than_claimed_is_not_unpacked(monkeypatch):
    content = zipped(tensor_pickle(), [("archive/data/0", bytes(31_000_000))], compression=zipfile.ZIP_DEFLATED)
    read = zipfile.ZipFile.read
    unpacked = []
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, entry: unpacked.append(entry) or read(self, entry))
    with pytest.raises(EmbeddingError, match="another size"):
        read_torch(content)
    assert unpacked == ["archive/data.pkl"]


def test_refuses_a_storage_that_inflates_to_more_than_the_zip_says():
    content = bytearray(zipped(tensor_pickle(), [("archive/data/0", bytes(16))], compression=zipfile.ZIP_DEFLATED))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 8)
    with pytest.raises(EmbeddingError):
        read_torch(bytes(content))


@pytest.mark.parametrize("options", CONTAINERS[:2], ids=["zip", "legacy"])
def test_every_cut_is_refused_with_a_sentence(options):
    content = saved({"a": VECTORS}, **options)
    for end in range(0, len(content) - 1, 7):
        with pytest.raises(EmbeddingError):
            read_torch(content[:end])
