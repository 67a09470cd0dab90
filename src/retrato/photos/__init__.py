"""Reading, checking and preparing photos. Pillow and numpy, no torch."""

from retrato.photos.check import PhotoReport, PhotoVerdict, check_photos, require_trainable
from retrato.photos.photo import Photo, Refused, list_photos, read_photo, read_photos
from retrato.photos.prepare import PreparedPhoto, prepare
from retrato.photos.sheet import contact_sheet
from retrato.photos.square import square

__all__ = [
    "Photo",
    "PhotoReport",
    "PhotoVerdict",
    "PreparedPhoto",
    "Refused",
    "check_photos",
    "contact_sheet",
    "list_photos",
    "prepare",
    "read_photo",
    "read_photos",
    "require_trainable",
    "square",
]
