"""Holds the hypernetworks of one folder and its sub-folders, each read when it is first asked for: they can be large.

Knows nothing of models and prompts.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from retrato.embeddings.embedding import name_key
from retrato.errors import HypernetworkError
from retrato.hypernetworks.formats import READERS, read_hypernetwork, write_hypernetwork
from retrato.hypernetworks.hypernetwork import Hypernetwork

Signature = tuple[int, int, int]  # size, time of change in ns, inode: together they change when a file is written anew
KEPT = 3  # in memory


class HypernetworkLibrary(Mapping[str, Hypernetwork]):
    """The hypernetworks in `folder`, by the names of their files; upper and lower case make no difference.

    The folder is looked at afresh each time, so new files are found without being told of. The last three that were
    used stay in memory, until their files change or are gone: on Stable Diffusion 1 each takes 88 MB.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._read: dict[Path, tuple[Signature, Hypernetwork]] = {}

    @property
    def names(self) -> list[str]:
        """Gives the names, sorted."""
        return sorted(path.stem for path in self._paths().values())

    def path(self, name: str) -> Path:
        """Gives the file of `name`; raises HypernetworkError, with the nearest names, when there is none."""
        found = self._paths().get(name_key(name))
        if found is not None:
            return found
        near = get_close_matches(name, self.names, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.names) or 'none yet'}"
        raise HypernetworkError(f"there is no hypernetwork called {name[:64]!r} in {self.folder}: {advice}")

    def add(self, hypernetwork: Hypernetwork, overwrite: bool = False) -> Path:
        """Writes `hypernetwork` to `<folder>/<name>.safetensors` and gives that path.

        Raises HypernetworkError when the name is taken, unless `overwrite`, which replaces the old one in whatever
        format it was.
        """
        target = self.folder / f"{hypernetwork.name}.safetensors"
        old = self._paths().get(name_key(hypernetwork.name))
        if old is not None and not overwrite:
            raise HypernetworkError(
                f"the name {hypernetwork.name} is taken by {old}: choose another one, or replace it with --overwrite"
            )
        write_hypernetwork(hypernetwork, target)
        if old is not None and old.exists() and not old.samefile(target):
            old.unlink()
        return target

    def remove(self, name: str) -> Path:
        """Deletes the file of `name` and gives the path where it was; raises HypernetworkError when there is none."""
        path = self.path(name)
        path.unlink(missing_ok=True)
        self._read.pop(path, None)
        return path

    def __getitem__(self, name: str) -> Hypernetwork:
        """Gives the hypernetwork called `name`; raises HypernetworkError when there is none or it cannot be used."""
        path = self.path(name)
        found = path.stat()
        signature = (found.st_size, found.st_mtime_ns, found.st_ino)
        known = self._read.pop(path, None)
        if known is None or known[0] != signature:
            known = (signature, read_hypernetwork(path))
        self._read[path] = known  # as the last one
        for longest_unused in list(self._read)[:-KEPT]:
            self._read.pop(longest_unused, None)
        return known[1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name_key(name) in self._paths()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self._paths())

    def _paths(self) -> dict[str, Path]:
        """Gives name, as `name_key` has it, -> file; of two with the same name the first in order counts.

        Links out of the folder and A1111's "None.pt", which stands for no hypernetwork, do not count.
        """
        found: dict[str, Path] = {}
        inside = self.folder.resolve()
        for parent, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(parent, name)
                if name.startswith(".") or path.suffix.lower() not in READERS or path.stem.casefold() == "none":
                    continue
                if path.resolve().is_relative_to(inside):
                    found.setdefault(name_key(path.stem), path)
        there = set(found.values())
        for gone in [path for path in list(self._read) if path not in there]:
            self._read.pop(gone, None)
        return found
