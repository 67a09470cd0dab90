"""The other way to personalise: small networks before the U-Net's attention, the files that hold them, the folder."""

from retrato.hypernetworks.formats import HYPERNETWORK_FORMATS, read_hypernetwork, write_hypernetwork
from retrato.hypernetworks.hypernetwork import Hypernetwork
from retrato.hypernetworks.library import HypernetworkLibrary
from retrato.hypernetworks.structure import Structure

__all__ = [
    "HYPERNETWORK_FORMATS",
    "Hypernetwork",
    "HypernetworkLibrary",
    "Structure",
    "read_hypernetwork",
    "write_hypernetwork",
]
