"""On pictures in scikit-image's wheel (public domain, CC0): an astronaut, a man with a camera, a cat."""

import codecs
import ctypes
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageFilter, ImageOps

from retrato.errors import PhotoError
from retrato.photos import Photo, PreparedPhoto, check_photos, prepare
from retrato.photos import faces as module
from retrato.photos.faces import Face, find_faces, find_largest_box, identity_distance, strangers, why_missing
from retrato.photos.framing import framing
from retrato.photos.look import Measured, look, measure, problems_of
from retrato.photos.working_copy import WorkingCopies, working_copies
from retrato.settings import PhotoSettings

pytestmark = pytest.mark.faces


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image is not installed")
    folder = Path(spec.origin).parent / "data"
    return {name: Image.open(folder / f"{name}.png").convert("RGB") for name in ("astronaut", "camera", "chelsea")}


@pytest.fixture(scope="module")
def astronaut(pictures: dict[str, Image.Image]) -> Face:
    (face,) = find_faces(pictures["astronaut"])
    return face


def test_finds_a_face_where_there_is_one(pictures: dict[str, Image.Image], astronaut: Face) -> None:
    left, top, right, _ = astronaut.box
    assert 165 < left < 185
    assert 60 < top < 80
    assert 80 < right - left < 100
    assert abs(astronaut.turn) < 0.1
    assert astronaut.is_clear
    assert framing(pictures["astronaut"], None, astronaut.box) == "half"
    assert find_faces(pictures["chelsea"]) == ()


def test_the_box_alone_is_that_of_the_largest_face(
    pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    two = Image.new("RGB", (900, 512), "grey")
    two.paste(pictures["astronaut"].resize((256, 256)), (20, 0))
    two.paste(pictures["astronaut"], (388, 0))
    largest = find_faces(two)[0].box
    monkeypatch.setattr(module, "_readers", None)  # whose face it is, is not asked: its models are not even read
    assert find_largest_box(two) == largest
    assert largest[0] > 500
    assert find_largest_box(pictures["chelsea"]) is None


def test_the_quick_detector_is_the_one_in_dlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dlib = importlib.import_module("dlib")
    dlib.get_frontal_face_detector().save(str(tmp_path / "own.svm"))
    assert module._QUICK.read_bytes() == (tmp_path / "own.svm").read_bytes()
    # Where dlib cannot read the file, its own is taken.
    monkeypatch.setattr(module, "_QUICK", tmp_path / "none.svm")
    assert isinstance(module._quick(dlib), dlib.fhog_object_detector)


def test_one_person_is_near_and_another_far(pictures: dict[str, Image.Image], astronaut: Face) -> None:
    picture = pictures["astronaut"]
    (mirrored,) = find_faces(ImageOps.mirror(picture))
    (turned,) = find_faces(picture.rotate(20))
    (other,) = find_faces(pictures["camera"])
    assert identity_distance(astronaut, mirrored) < 0.35
    assert identity_distance(astronaut, turned) < 0.35
    assert turned.tilt < -10
    assert identity_distance(astronaut, other) > 0.7
    assert strangers([astronaut, mirrored, None, other, turned]) == {
        3: pytest.approx(identity_distance(other, mirrored), abs=0.15)
    }
    assert strangers([astronaut, other]) == {}  # two faces have no majority


def test_several_faces_and_blurred_ones(pictures: dict[str, Image.Image]) -> None:
    picture = pictures["astronaut"]
    two = Image.new("RGB", (1024, 512))
    two.paste(picture, (0, 0))
    two.paste(ImageOps.mirror(picture), (512, 0))
    faces = find_faces(two)
    assert len(faces) == 2
    found = measure(Photo(Path("two.png"), two, two.size), 256, faces)
    assert "2 faces: crop it to the one person" in problems_of(found, 256, None, None, True)[0]
    soft = picture.filter(ImageFilter.GaussianBlur(4))
    found = measure(Photo(Path("soft.png"), soft, soft.size), 512, find_faces(soft))
    assert any("its face has no sharp edge" in each for each in problems_of(found, 512, None, None, True))
    assert not any(face.is_clear for face in find_faces(soft))


def test_check_tells_who_does_not_belong(pictures: dict[str, Image.Image], tmp_path: Path) -> None:
    picture = pictures["astronaut"]
    for at, box in enumerate([(0, 0, 512, 512), (60, 0, 420, 360), (100, 10, 350, 260)]):
        picture.crop(box).resize((640, 640)).save(tmp_path / f"{at}.png")
    pictures["camera"].resize((640, 640)).save(tmp_path / "camera.png")
    pictures["chelsea"].resize((700, 640)).save(tmp_path / "cat.png")
    report = check_photos(tmp_path, size=512)
    found = {each.file.name: each for each in report.photos}
    assert report.not_looked_for is None
    assert [found[name].faces for name in ("0.png", "camera.png", "cat.png")] == [1, 1, 0]
    assert any(each.startswith("another person?") for each in found["camera.png"].problems)
    assert any(each.startswith("no face found") for each in found["cat.png"].problems)
    assert not any("another person" in each for at in range(3) for each in found[f"{at}.png"].problems)
    assert [found[f"{at}.png"].framing for at in range(3)] == ["half", "close", "close"]


def test_prepare_cuts_around_the_face(pictures: dict[str, Image.Image], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    wide = Image.new("RGB", (1400, 512), "grey")
    wide.paste(pictures["astronaut"], (880, 0))
    wide.save(folder / "wide.png")
    pictures["chelsea"].save(folder / "cat.png")
    settings = PhotoSettings(size=256, crop="face", face_share=0.4, mask=True)
    cat, face = prepare(folder, tmp_path / "out", settings)
    assert "no face found, cut around what draws the eye" in cat.notes[0]
    left, top, right, bottom = face.box
    assert (left < 1053, right > 1139, top < 69, bottom > 156) == (True,) * 4
    assert 190 < bottom - top < 270
    assert face.framing == "close"
    mask = Image.open(face.mask)
    assert (mask.size, mask.getpixel((128, 128)), mask.getpixel((2, 2))) == ((256, 256), 255, 0)


@pytest.fixture
def afresh() -> Iterator[None]:
    """Nothing of dlib's is loaded yet, and nothing that was loaded here stays."""
    for cached in (module._finders, module._readers, module._not_loaded):
        cached.cache_clear()
    yield
    for cached in (module._finders, module._readers, module._not_loaded):
        cached.cache_clear()


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize("fault", ["models", "library"])
def test_a_finder_that_cannot_be_loaded_is_no_fault_of_the_photos(
    fault: str,
    folder_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unopened(path: str) -> None:
        raise RuntimeError(f"Unable to open {path} for reading.")

    if fault == "models":
        monkeypatch.setattr(importlib.import_module("dlib"), "cnn_face_detection_model_v1", unopened)
    else:
        monkeypatch.setitem(sys.modules, "dlib", None)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=["/x"]))
    photos = folder_of(4)
    report = check_photos(photos, size=64)
    assert [each.verdict for each in report.photos] == ["good"] * 4
    assert 'install it with: pip install "retrato[faces]"' in str(report.not_looked_for)
    prepared = list(prepare(photos, tmp_path / "out", PhotoSettings(size=64, crop="focal")))
    assert len(prepared) == 4
    assert all(isinstance(each, PreparedPhoto) for each in prepared)
    (first, *_) = sorted(photos.iterdir())
    found = look(first, 64, "quick")  # as a process does that cannot load what the first one could
    assert isinstance(found, Measured)
    assert found.faces is None
    assert isinstance(working_copies(first, PhotoSettings(size=64), faces=True), WorkingCopies)
    (said,) = [each for each in caplog.messages if "face" in each]
    assert said.startswith("no faces are looked for: the face finder")
    with pytest.raises(PhotoError, match="crop is face, but the face finder"):
        prepare(photos, tmp_path / "more", PhotoSettings(size=64, crop="face"))


def test_windows_gives_dlib_the_letters_of_its_code_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """dlib opens what it is given byte by byte, and would look for `JoÃ£o` there."""
    monkeypatch.setattr(module, "WINDOWS", True)

    def find(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("cp1252") if name == "mbcs" else None

    def short(name: str, buffer: ctypes.Array[ctypes.c_wchar], size: int) -> int:
        assert size >= 260
        buffer.value = "C:\\PROGRA~1\\J\u00c3~1.DAT" if "Program" in name else ""
        return len(buffer.value)

    windows = SimpleNamespace(kernel32=SimpleNamespace(GetShortPathNameW=short))
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    codecs.register(find)
    try:
        assert module._for_dlib(Path("/ana/a.dat")) == "/ana/a.dat"
        assert module._for_dlib(Path("/João/a.dat")) == "/João/a.dat".encode("cp1252")
        assert module._for_dlib(Path("/Program Files/健/a.dat")) == b"C:\\PROGRA~1\\J\xc3~1.DAT"
        assert module._for_dlib(Path("/健/a.dat")) == b"/?/a.dat"
    finally:
        codecs.unregister(find)


@pytest.mark.usefixtures("afresh")
def test_dlib_opens_files_by_bytes(pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_for_dlib", lambda path: bytes(path))
    (face,) = find_faces(pictures["astronaut"])
    assert face.is_clear


@pytest.mark.usefixtures("afresh")
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_missing() is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 'pip install "retrato[faces]"' in str(why_missing())
    module._finders.cache_clear()
    with pytest.raises(PhotoError, match="no face finder in this installation"):
        find_faces(Image.new("RGB", (64, 64)))
