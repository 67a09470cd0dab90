import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos import (
    Photo,
    PhotoVerdict,
    PreparedPhoto,
    Refused,
    check_photos,
    prepare,
    read_photos,
    require_trainable,
)
from retrato.settings import PhotoSettings

Scene = Callable[..., Image.Image]
FolderOf = Callable[..., Path]


def verdicts(folder: Path) -> dict[str, PhotoVerdict]:
    return {each.file.name: each for each in check_photos(folder).photos}


def test_a_good_set(folder_of: FolderOf) -> None:
    report = check_photos(folder_of(12))
    assert report.verdict == "good"
    assert {each.verdict for each in report.photos} == {"good"}
    assert [each.file.name for each in report.photos] == [f"{at:02}.png" for at in range(12)]
    assert all((each.width, each.height, each.problems) == (256, 256, ()) for each in report.photos)


def lightened(image: Image.Image) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, "white"), 0.85)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda image: image.resize((120, 80)), "small: 120x80 pixels, less than the 256"),
        (lambda image: image.filter(ImageFilter.GaussianBlur(6)), "blurred"),
        (lambda image: ImageEnhance.Brightness(image).enhance(0.15), "too dark"),
        (lightened, "too bright"),
        (lambda image: ImageEnhance.Contrast(image).enhance(0.1), "flat"),
        (lambda image: Image.new("RGB", image.size, "grey"), "flat"),
    ],
)
def test_each_defect_is_named(
    folder_of: FolderOf, scene: Scene, spoil: Callable[[Image.Image], Image.Image], problem: str
) -> None:
    folder = folder_of(3)
    spoil(scene(70, (512, 512))).save(folder / "spoilt.png")
    found = verdicts(folder)["spoilt.png"]
    assert found.verdict == "doubtful"
    assert [each for each in found.problems if each.startswith(problem)]
    assert len(found.problems) == 1


def test_duplicates_name_the_better_one(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(3)
    large = scene(80, (600, 600))
    large.save(folder / "large.png")
    large.save(folder / "jpeg.jpg", quality=25)
    ImageOps.mirror(large).resize((300, 300)).save(folder / "mirrored.png")
    large.crop((8, 8, 592, 592)).resize((500, 500)).save(folder / "burst.png")
    found = verdicts(folder)
    assert found["large.png"].verdict == "good"
    assert found["jpeg.jpg"].problems == ("the same picture as large.png, which is the better one",)
    assert found["mirrored.png"].problems == ("mirrored, the same picture as large.png, which is the better one",)
    assert found["burst.png"].problems == ("nearly the same picture as large.png, which is the better one",)


def test_unreadable_files_are_refused_by_name_and_the_rest_is_checked(folder_of: FolderOf) -> None:
    folder = folder_of(11)
    (folder / "03.png").write_bytes((folder / "03.png").read_bytes()[:300])
    (folder / "zero.jpg").touch()
    report = check_photos(folder)
    refused = {each.file.name: each for each in report.photos if each.verdict == "refused"}
    assert set(refused) == {"03.png", "zero.jpg"}
    assert all(name in each.problems[0] and each.width == 0 for name, each in refused.items())
    assert any("03.png, zero.jpg cannot be used" in sentence for sentence in report.advice)
    assert report.verdict == "good"  # eleven photos less one are enough


def huge_png(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def test_every_bad_file_under_every_odd_name_is_reported_by_name_and_nothing_else_is_lost(
    folder_of: FolderOf, scene: Scene, tmp_path: Path
) -> None:
    folder = folder_of(3)
    whole = (folder / "00.png").read_bytes()
    bad = {
        'it\'s "zero".png': b"",
        "smile \U0001f600.png": whole[:500],
        "two\nlines.png": b"Dear diary",
        "x" * 251 + ".png": whole[:30],
        "hundred megapixels.png": huge_png(10_000, 10_000),
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    scene(1, (1, 1)).save(folder / "one pixel.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder").mkdir()
    (folder / "folder" / "up").symlink_to(folder)
    wanted = {*bad, "one pixel.png", "loop.png"}
    report = check_photos(folder)
    refused = {each.file.name: each.problems for each in report.photos if each.verdict == "refused"}
    assert set(refused) == wanted
    assert all(printable(name) in problems[0] and "\n" not in problems[0] for name, problems in refused.items())
    assert len(report.photos) == 3 + len(wanted)
    done = list(prepare(folder, tmp_path / "out", PhotoSettings(size=64)))
    assert {each.file.name for each in done if isinstance(each, Refused)} == wanted
    assert len([each for each in done if isinstance(each, PreparedPhoto)]) == 3
    assert (folder / "00.png").read_bytes() == whole


def test_small_sets_are_refused_or_doubtful(folder_of: FolderOf) -> None:
    report = check_photos(folder_of(2, "two"))
    assert report.verdict == "refused"
    assert report.advice[0].startswith("found two usable photos, wanted at least 3")
    assert check_photos(folder_of(5, "five")).verdict == "doubtful"


def test_one_photo_many_times_is_refused(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(0)
    for at in range(6):
        scene(1).resize((256 + at, 256 + at)).save(folder / f"{at}.jpg", quality=50 + at)
    report = check_photos(folder)
    assert report.verdict == "refused"
    assert report.advice[0].startswith("all 6 photos are the same picture")
    with pytest.raises(PhotoError, match="all 6 photos are the same picture"):
        require_trainable(read_photos(folder)[0])
    scene(2).save(folder / "other.png")
    with pytest.raises(PhotoError, match="the 7 photos are copies of 2 pictures"):
        require_trainable(read_photos(folder)[0])


def test_fewer_than_three_photos_cannot_be_trained_on(scene: Scene) -> None:
    photos = [Photo(Path(f"{at}.png"), scene(at), (256, 256)) for at in range(3)]
    require_trainable(photos)
    with pytest.raises(PhotoError, match=r"found two usable photos, wanted at least 3 of one person, better 20"):
        require_trainable(photos[:2])
    refused = [Refused(Path("a.jpg"), "a.jpg holds zero bytes")]
    with pytest.raises(PhotoError, match=r"found no usable photo \(a.jpg holds zero bytes\), wanted"):
        require_trainable([], refused)


def test_framing_is_told_from_an_alpha_channel(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(3)
    cut_out = scene(5).convert("RGBA")
    alpha = Image.new("L", (256, 256), 0)
    alpha.paste(255, (110, 20, 146, 240))
    cut_out.putalpha(alpha)
    cut_out.save(folder / "cut-out.png")
    found = verdicts(folder)
    assert found["cut-out.png"].framing == "full"
    assert found["00.png"].framing is None


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="there is no folder"):
        check_photos(tmp_path / "missing")
