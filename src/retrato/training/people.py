"""Who is in a folder of folders: a person for each of them. Knows nothing of how they are learned."""

from pathlib import Path

from retrato.embeddings.embedding import name_key
from retrato.errors import PhotoError, SettingsError
from retrato.settings import TrainSettings


def people_in(folders: Path | str, settings: TrainSettings) -> dict[str, tuple[Path, TrainSettings]]:
    """Gives name -> (folder of photos, settings) for each folder in `folders`, in the order of names.

    In `settings.name` a `*` stands for the folder's name; spaces in that become `-`, as a name is one word of a prompt.
    Hidden folders do not count. Raises PhotoError where there is no folder, SettingsError where two people would have
    the same name.
    """
    root = Path(folders)
    if not root.is_dir():
        raise PhotoError(f"{root} is no folder: give one that holds a folder of photos for each person")
    found = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise PhotoError(f"{root} holds no folders: it takes one for each person, with the photos in it")
    people: dict[str, tuple[Path, TrainSettings]] = {}
    by_key: dict[str, Path] = {}
    for folder in found:
        own = settings.changed(name=settings.name.replace("*", folder.name.replace(" ", "-")))
        name = own.name
        taken = by_key.setdefault(name_key(name), folder)
        if taken is not folder:
            raise SettingsError(
                f"{taken} and {folder} would both be called {name}: --name takes `*` for the folder's name, as in *-1"
            )
        people[name] = (folder, own)
    return people
