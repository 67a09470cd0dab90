"""Holds the embeddings of one folder and its sub-folders, as A1111 keeps them. Knows nothing of models and prompts."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from retrato.embeddings.embedding import Embedding, check_name, in_prompt
from retrato.embeddings.formats import READERS, is_preview, read_embedding, write_embedding
from retrato.errors import EmbeddingError
from retrato.files import printable

Signature = tuple[int, int, int]  # size, time of change in ns, inode: together they change when a file is written anew


class EmbeddingLibrary:
    """The embeddings in `folder` that a model with text encoders of widths `dims` can use; None takes any width.

    Names are looked up without regard to upper and lower case, as prompts do. The folder is read at once and again by
    `reload`; what cannot be used is in `skipped` with the reason, and never keeps the others from loading.
    """

    def __init__(self, folder: Path | str, dims: tuple[int, ...] | None = None) -> None:
        self.folder = Path(folder)
        self.dims = dims
        self._read: dict[Path, tuple[Signature, Embedding | str]] = {}
        self._paths: dict[str, Path] = {}
        self._found: dict[str, Embedding] = {}
        self._skipped: dict[Path, str] = {}
        self.reload()

    def reload(self) -> bool:
        """Reads what is new or changed, also in sub-folders and in place; says whether anything differs from before."""
        before = self._read
        self._read = {}
        for path in _files(self.folder):
            try:
                found = path.stat()
            except OSError:  # a link to nothing, or a file that was just removed
                continue
            signature = (found.st_size, found.st_mtime_ns, found.st_ino)
            known = before.get(path)
            self._read[path] = known if known and known[0] == signature else (signature, self._load(path))
        self._paths, self._found, self._skipped = {}, {}, {}
        for path, (_, embedding) in self._read.items():
            self._place(path, embedding)
        return self._read != before

    @property
    def names(self) -> list[str]:
        """Gives the names, sorted."""
        return sorted(embedding.name for embedding in self._found.values())

    @property
    def embeddings(self) -> dict[str, Embedding]:
        """Gives a copy, name -> embedding, sorted by name."""
        return {name: self[name] for name in self.names}

    @property
    def skipped(self) -> Mapping[Path, str]:
        """Gives the files that were not loaded, each with one sentence why."""
        return dict(self._skipped)

    @property
    def warnings(self) -> list[str]:
        """Gives one sentence for each embedding that may surprise: all zeros, or brackets in its name."""
        empty = [name for name in self.names if not any(any(norms) for norms in self[name].norms())]
        bracketed = [name for name in self.names if in_prompt(name) != name]
        return [
            *(f"{name} is all zeros: it was made from empty text and never trained" for name in empty),
            *(f"{name} has brackets: write it as {in_prompt(name)} in a prompt, or rename it" for name in bracketed),
        ]

    def path(self, name: str) -> Path:
        """Gives the file that `name` was read from; raises EmbeddingError when there is none."""
        self[name]
        return self._paths[name.casefold()]

    def add(self, embedding: Embedding, overwrite: bool = False) -> Path:
        """Writes `embedding` to `<folder>/<name>.safetensors` and gives that path.

        Raises EmbeddingError when the name is taken (unless `overwrite`, which replaces the old one in whatever format
        it was) or when the model cannot use it.
        """
        target = self.folder / f"{embedding.name}.safetensors"
        if reason := self._misfit(embedding):
            raise EmbeddingError(f"{embedding.name} {reason}")
        if not overwrite:
            self._check_free(embedding.name, target)
        old = self._paths.get(embedding.name.casefold())
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
        if new_name.casefold() != name.casefold():
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
        return "\n".join([first, *(f"Skipped: {reason}" for reason in self._skipped.values()), *self.warnings])

    def __getitem__(self, name: str) -> Embedding:
        """Gives the embedding called `name`; raises EmbeddingError, with the nearest names, when there is none."""
        if name.casefold() in self._found:
            return self._found[name.casefold()]
        near = get_close_matches(name, self.names, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.names) or 'none yet'}"
        raise EmbeddingError(f"there is no embedding called {name[:64]!r} in {self.folder}: {advice}")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.casefold() in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self._found)

    def _load(self, path: Path) -> Embedding | str:
        """Gives the embedding in `path`, or the reason why not."""
        if not path.resolve().is_relative_to(self.folder.resolve()):
            return f"{printable(path.name)} is a link out of the folder: copy the {_kind(path)} itself"
        try:
            return read_embedding(path)
        except EmbeddingError as error:
            return str(error)

    def _place(self, path: Path, embedding: Embedding | str) -> None:
        """Enters one file under its name, or among the skipped; of two with the same name the first in order stays."""
        if isinstance(embedding, str):
            self._skipped[path] = embedding
        elif reason := self._misfit(embedding):
            self._skipped[path] = f"{printable(path.name)} {reason}"
        elif first := self._paths.get(embedding.name.casefold()):
            shown, taken = (printable(each.relative_to(self.folder)) for each in (path, first))
            self._skipped[path] = f"{shown} is called {embedding.name}, as {taken} is: rename or remove one of them"
        else:
            self._paths[embedding.name.casefold()] = path
            self._found[embedding.name.casefold()] = embedding

    def _misfit(self, embedding: Embedding) -> str | None:
        """Gives the end of a sentence when the model's text encoders have other widths than `embedding`."""
        if self.dims is None or embedding.dims == self.dims:
            return None
        origin = FAMILIES.get(embedding.dims) or embedding.base_model or "another model"
        found, wanted = _widths(embedding.dims), _widths(self.dims)
        return f"holds vectors of {found}, this model takes {wanted}: it was made for {origin}"

    def _check_free(self, name: str, target: Path) -> None:
        """Raises EmbeddingError when `name`, or the file `target`, exists."""
        taken = self._paths.get(name.casefold()) or (target if target.exists() else None)
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
