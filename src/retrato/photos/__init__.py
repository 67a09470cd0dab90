"""Reading, checking and preparing photos. Pillow and numpy, no torch."""

from retrato.photos.check import Looked, PhotoReport, PhotoVerdict, check_photos, checking, require_trainable
from retrato.photos.parallel import processes_for
from retrato.photos.photo import Photo, Refused, list_photos, read_photo, read_photos
from retrato.photos.prepare import PreparedPhoto, prepare
from retrato.photos.sheet import contact_sheet
from retrato.photos.square import square

__all__ = [
    "Looked",
    "Photo",
    "PhotoReport",
    "PhotoVerdict",
    "PreparedPhoto",
    "Refused",
    "check_photos",
    "checking",
    "contact_sheet",
    "list_photos",
    "prepare",
    "processes_for",
    "read_photo",
    "read_photos",
    "require_trainable",
    "square",
]
