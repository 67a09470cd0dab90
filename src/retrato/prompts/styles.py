"""Styles: named words that are added to a prompt, kept in A1111's `styles.csv`.

Knows the file and how words are joined; not where the file lies.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from difflib import get_close_matches
from pathlib import Path

from retrato.errors import PromptError
from retrato.files import read_text, write_atomic

LARGEST_FILE = 16 << 20
COLUMNS = ("name", "prompt", "negative_prompt")
PLACE = "{prompt}"
"""Where in a style the prompt goes; a style without it is put behind the prompt."""


@dataclass(frozen=True, slots=True)
class Style:
    """Words to add to a prompt and to a negative prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


class StyleFile:
    """The styles in `path`, which need not exist; it is read anew each time, so other programs may write it too."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> dict[str, Style]:
        """Gives the styles by name, in the file's order; of two with one name the last counts, as in A1111.

        Rows whose name begins with `#` are remarks. The old columns (name, text) are understood. Raises PromptError for
        a file that is none of this.
        """
        return {row.name: row for row in self._rows() if row.name and not row.name.startswith("#")}

    def find(self, names: Iterable[str]) -> list[Style]:
        """Gives the styles called `names`, in that order; raises PromptError, with near names, for one unknown."""
        styles = self.read() if names else {}
        for name in names:
            if name not in styles:
                near = get_close_matches(name, styles, n=3)
                advice = (
                    f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(styles) or 'none yet'}"
                )
                raise PromptError(f"there is no style called {name[:64]!r} in {self.path}: {advice}")
        return [styles[name] for name in names]

    def save(self, style: Style) -> Path:
        """Writes `style` into the file, in the place of one with the same name, and gives the file's path.

        The file before is kept as `styles.csv.bak`. Raises PromptError for a name that could not be read back.
        """
        if not style.name.strip() or style.name.startswith("#") or style.name != style.name.strip():
            raise PromptError(f"{style.name!r} cannot be a style's name: use words, without a # or spaces around them")
        rows = self._rows()
        places = [place for place, row in enumerate(rows) if row.name == style.name]
        if places:
            rows[places[-1]] = style
        else:
            rows.append(style)
        return self._write(rows)

    def remove(self, name: str) -> Path:
        """Takes the style `name` out of the file and gives the file's path; raises PromptError if there is none."""
        self.find([name])
        return self._write([row for row in self._rows() if row.name != name])

    def purge(self, is_unwanted: Callable[[str], bool]) -> list[str]:
        """Takes all rows out, remarks included, of whose words `is_unwanted` says so, and gives their names.

        The file before goes too where it has such words. Raises PromptError for a file that cannot be read.
        """
        rows = self._rows()
        left = [row for row in rows if not is_unwanted("\n".join(astuple(row)))]
        if len(left) < len(rows):
            self._write(left)
        if self._before.exists() and is_unwanted(self._before.read_text("utf-8", errors="replace")):
            self._before.unlink()
        return list(dict.fromkeys(row.name for row in rows if row not in left))

    @property
    def _before(self) -> Path:
        return self.path.with_name(f"{self.path.name}.bak")

    def _rows(self) -> list[Style]:
        """Gives all rows, remarks included."""
        try:
            text = io.StringIO(read_text(self.path, LARGEST_FILE), newline="")
            reader = csv.DictReader(text, skipinitialspace=True)
            columns = reader.fieldnames or []
            if "name" not in columns or not {"prompt", "text"} & set(columns):
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
            return [_style(row) for row in reader]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, csv.Error) as error:
            raise PromptError(f"{self.path} cannot be read as styles: {error}; see docs/prompts.md") from None

    def _write(self, rows: Sequence[Style]) -> Path:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerows([COLUMNS, *([row.name, row.prompt, row.negative_prompt] for row in rows)])
        if self.path.exists():
            write_atomic(self._before, self.path.read_bytes())
        return write_atomic(self.path, text.getvalue().encode("utf-8-sig"))


def apply_styles(styles: Iterable[Style], prompt: str, negative_prompt: str) -> tuple[str, str]:
    """Gives both prompts with the words of `styles`, one after the other."""
    for style in styles:
        prompt, negative_prompt = _joined(style.prompt, prompt), _joined(style.negative_prompt, negative_prompt)
    return prompt, negative_prompt


def _style(row: Mapping[str | None, str | list[str] | None]) -> Style:
    def cell(name: str) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else ""

    return Style(cell("name"), cell("prompt") if "prompt" in row else cell("text"), cell("negative_prompt"))


def _joined(words: str, prompt: str) -> str:
    if PLACE in words:
        return words.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), words.strip()) if part)
