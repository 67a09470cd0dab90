"""Holds the embeddings of one folder and its sub-folders, as A1111 keeps them. Knows nothing of models and prompts."""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from retrato.embeddings.embedding import Embedding, check_name, in_prompt, name_key
from retrato.embeddings.formats import READERS, is_preview, read_embedding, write_embedding
from retrato.errors import EmbeddingError
from retrato.files import printable

Signature = tuple[int, int, int]  # size, time of change in ns, inode: together they change when a file is written anew


@dataclass(frozen=True, slots=True)
class _Contents:
    """What one reading of the folder found; `found` and `paths` go by `name_key`."""

    read: Mapping[Path, tuple[Signature, Embedding | str]]
    found: dict[str, Embedding] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)


class EmbeddingLibrary:
    """The embeddings in `folder` that a model with text encoders of widths `dims` can use; None takes any width.

    Names are looked up by `name_key`, as prompts do. The folder is read at once and again by `reload`; what cannot be
    used is in `skipped` with the reason, and never keeps the others from loading. All methods may be called from any
    thread: whoever reads sees the library as it was before a reload or after it, and never half of it.
    """

    def __init__(self, folder: Path | str, dims: tuple[int, ...] | None = None) -> None:
        self.folder = Path(folder)
        self.dims = dims
        self._lock = threading.RLock()
        self._now = _Contents({})
        self.reload()

    def reload(self) -> bool:
        """Reads what is new or changed, also in sub-folders and in place; says whether anything differs from before."""
        with self._lock:
            before, read = self._now.read, {}
            for path in _files(self.folder):
                try:
                    found = path.stat()
                except OSError:  # a link to nothing, or a file that was just removed
                    continue
                signature = (found.st_size, found.st_mtime_ns, found.st_ino)
                known = before.get(path)
                read[path] = known if known and known[0] == signature else (signature, self._load(path))
            contents = _Contents(read)
            for path, (_, embedding) in read.items():
                self._place(contents, path, embedding)
            self._now = contents  # at once: a drawing that begins meanwhile would go without who is not placed yet
            return read != before

    @property
    def names(self) -> list[str]:
        """Gives the names, sorted."""
        return sorted(embedding.name for embedding in self._now.found.values())

    @property
    def embeddings(self) -> dict[str, Embedding]:
        """Gives a copy, name -> embedding, sorted by name."""
        return {each.name: each for each in sorted(self._now.found.values(), key=lambda each: each.name)}

    @property
    def skipped(self) -> Mapping[Path, str]:
        """Gives the files that were not loaded, each with one sentence why."""
        return dict(self._now.skipped)

    @property
    def warnings(self) -> list[str]:
        """Gives one sentence for each embedding that may surprise: all zeros, or brackets in its name."""
        embeddings = self.embeddings
        empty = [name for name, each in embeddings.items() if not any(any(norms) for norms in each.norms())]
        bracketed = [name for name in embeddings if in_prompt(name) != name]
        return [
            *(f"{name} is all zeros: it was made from empty text and never trained" for name in empty),
            *(f"{name} has brackets: write it as {in_prompt(name)} in a prompt, or rename it" for name in bracketed),
        ]

    def path(self, name: str) -> Path:
        """Gives the file that `name` was read from; raises EmbeddingError when there is none."""
        found = self._now.paths.get(name_key(name))
        if found is None:
            raise self._unknown(name)
        return found

    def paths(self, name: str) -> list[Path]:
        """Gives all files that call themselves `name`, also those that others stand before or this model cannot use."""
        return [
            path
            for path, (_, each) in self._now.read.items()
            if isinstance(each, Embedding) and name_key(each.name) == name_key(name)
        ]

    def add(self, embedding: Embedding, overwrite: bool = False) -> Path:
        """Writes `embedding` to `<folder>/<name>.safetensors` and gives that path.

        Raises EmbeddingError when the name is taken (unless `overwrite`, which replaces the old one in whatever format
        it was) or when the model cannot use it.
        """
        target = self.folder / f"{embedding.name}.safetensors"
        if reason := self._misfit(embedding):
            raise EmbeddingError(f"{embedding.name} {reason}")
        with self._lock:
            if not overwrite:
                self._check_free(embedding.name, target)
            old = self._now.paths.get(name_key(embedding.name))
            write_embedding(embedding, target)
            if old is not None and old.exists() and not old.samefile(target):
                old.unlink()
            self.reload()
        return target

    def remove(self, name: str) -> Path:
        """Deletes the file of `name` and gives the path where it was; raises EmbeddingError when there is none."""
        path = self.path(name)
        path.unlink(missing_ok=True)
        self.reload()
        return path

    def rename(self, name: str, new_name: str) -> Path:
        """Renames the file of `name`, bytes unchanged, and gives its new path.

        Raises EmbeddingError when the new name is unusable or taken, and for a card, which carries its name inside.
        """
        old = self.path(name)
        if old.suffix.lower() in (".png", ".webp"):
            raise EmbeddingError(
                f"{old.name} carries its name inside the picture: convert it to safetensors, then rename that"
            )
        target = old.with_name(check_name(new_name) + old.suffix)
        if name_key(new_name) != name_key(name):
            self._check_free(new_name, target)
        old.rename(target)
        self.reload()
        return target

    def summary(self) -> str:
        """Gives A1111's line, names counted down as it shows them, then a line per skipped file and per warning."""
        names = self.names[::-1]
        first = f"Loaded a total of {len(names)} textual inversion embeddings."
        if names:
            first += f" Embeddings: {', '.join(names)}"
        return "\n".join([first, *(f"Skipped: {reason}" for reason in self.skipped.values()), *self.warnings])

    def __getitem__(self, name: str) -> Embedding:
        """Gives the embedding called `name`; raises EmbeddingError, with the nearest names, when there is none."""
        found = self._now.found.get(name_key(name))
        if found is None:
            raise self._unknown(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name_key(name) in self._now.found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self._now.found)

    def _unknown(self, name: str) -> EmbeddingError:
        names = self.names
        near = get_close_matches(name, names, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none yet'}"
        return EmbeddingError(f"there is no embedding called {name[:64]!r} in {self.folder}: {advice}")

    def _load(self, path: Path) -> Embedding | str:
        """Gives the embedding in `path`, or the reason why not."""
        if not path.resolve().is_relative_to(self.folder.resolve()):
            return f"{printable(path.name)} is a link out of the folder: copy the {_kind(path)} itself"
        try:
            return read_embedding(path)
        except EmbeddingError as error:
            return str(error)

    def _place(self, contents: _Contents, path: Path, embedding: Embedding | str) -> None:
        """Enters one file under its name, or among the skipped; of two with the same name the first in order stays."""
        if isinstance(embedding, str):
            contents.skipped[path] = embedding
        elif reason := self._misfit(embedding):
            contents.skipped[path] = f"{printable(path.name)} {reason}"
        elif first := contents.paths.get(name_key(embedding.name)):
            shown, taken = (printable(each.relative_to(self.folder)) for each in (path, first))
            contents.skipped[path] = f"{shown} is called {embedding.name}, as {taken} is: rename or remove one of them"
        else:
            contents.paths[name_key(embedding.name)] = path
            contents.found[name_key(embedding.name)] = embedding

    def _misfit(self, embedding: Embedding) -> str | None:
        """Gives the end of a sentence when the model's text encoders have other widths than `embedding`."""
        if self.dims is None or embedding.dims == self.dims:
            return None
        origin = FAMILIES.get(embedding.dims) or embedding.base_model or "another model"
        found, wanted = _widths(embedding.dims), _widths(self.dims)
        return f"holds vectors of {found}, this model takes {wanted}: it was made for {origin}"

    def _check_free(self, name: str, target: Path) -> None:
        """Raises EmbeddingError when `name`, or the file `target`, exists."""
        taken = self._now.paths.get(name_key(name)) or (target if target.exists() else None)
        if taken:
            raise EmbeddingError(f"the name {name} is taken by {taken}: choose another, or allow overwriting")


def _files(folder: Path) -> list[Path]:
    """Gives the files below `folder` that end like embeddings, sorted; hidden ones and previews are not looked at.

    And the links to folders elsewhere, which are not followed, so that somebody says so.
    """
    found, inside = [], folder.resolve()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = (Path(parent, name) for name in folders if Path(parent, name).is_symlink())
        found += [path for path in links if not path.resolve().is_relative_to(inside)]
        paths = (Path(parent, name) for name in files if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in READERS and not is_preview(path)]
    return sorted(found)


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _widths(dims: tuple[int, ...]) -> str:
    return " + ".join(map(str, dims))


FAMILIES: Mapping[tuple[int, ...], str] = {
    (768,): "Stable Diffusion 1",
    (1024,): "Stable Diffusion 2",
    (768, 1280): "Stable Diffusion XL",
}
