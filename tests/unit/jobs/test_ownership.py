"""Jobs know whose pictures are; no file says it."""

from PIL import Image

from retrato.gallery import Gallery
from retrato.jobs import JobQueue, order_drawing, order_grid
from retrato.jobs.ownership import owners_of_pictures

from .conftest import DRAWING


def test_pictures_and_sheets_belong_to_who_sent_the_job(queue: JobQueue) -> None:
    drawing = order_drawing(queue, DRAWING, owner="ana")
    sheet = order_grid(queue, DRAWING, ["Seed=1,2"], owner="rui")
    queue.record(drawing.id, "drawn", {"file": "outputs/1.png", "infotext": ""})
    queue.record(drawing.id, "sampled", {"file": "no picture"})
    queue.record(sheet.id, "drawn", {"file": "outputs/2.png"})
    queue.record(sheet.id, "sheet", {"file": "outputs/grid-0000.png"})
    queue.record(sheet.id, "drawn", {"infotext": "of an older version"})
    assert owners_of_pictures(queue) == {
        "outputs/1.png": "ana",
        "outputs/2.png": "rui",
        "outputs/grid-0000.png": "rui",
    }


def test_a_picture_whose_entry_was_lost_with_the_process_is_its_owners(queue: JobQueue) -> None:
    """The server was killed after the picture was said and before the gallery had it."""
    gallery = Gallery(queue.home)
    for name in ("1.png", "2.png"):
        (queue.home / "outputs").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(queue.home / "outputs" / name)
    queue.record(order_drawing(queue, DRAWING, owner="ana").id, "drawn", {"file": "outputs/1.png"})
    assert gallery.scan(owners=owners_of_pictures(queue)) == 2
    assert {each.file: each.owner for each in gallery.search()} == {"outputs/1.png": "ana", "outputs/2.png": "local"}
    gallery.close()
