"""Wildcards: parts of a prompt that are chosen, in the syntax of dynamicprompts.

| prompt                          | reading                                                  |
|---------------------------------|----------------------------------------------------------|
| `a {red|blue} hat`              | one of them                                              |
| `a {3::red|blue} hat`           | `red` three times as often                               |
| `{2$$red|blue|old} hat`         | two of them, joined by commas                            |
| `{1-2$$ and $$red|blue|old}`    | one or two, joined by ` and `                            |
| `{2$$__colour__} hat`           | two different lines of `colour.txt`                      |
| `a __colour__ hat`              | a line of `colour.txt`; `__clothes/*__` of several files |
| `${c={red|blue}} a ${c} hat`    | a variable, chosen at each use; `${c=!{red|blue}}` once  |

A `{word}` without a `|` is text, and so is a brace that is never closed. Reading costs time in proportion to the
length. Knows nothing of the other marks, but that a `|` inside of `[...]` belongs to them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random

from retrato.errors import PromptError
from retrato.files import read_text, visible

MAX_NESTING = 30
LARGEST_FILE = 16 << 20
LONGEST_PROMPT = 16_000

_NAME = re.compile(r"__([~@!]?)((?:(?!__)[\w\-./*?]){1,100})__")
# With spaces, brackets and the like it is a name only if there is such a list.
_ODD_NAME = re.compile(r"__([~@!]?)((?:(?!__)[^\n{}|]){1,100})__")
_NO_END = 10_000  # what `{2-$$...}` takes at most: no prompt holds as many
_AMOUNT = re.compile(r"\s*([~@!]?)(?:(\d{0,4})(-?)(\d{0,4})\$\$(?:([^$]{0,100})\$\$)?)?")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})::")
_VARIABLE = re.compile(r"\s*([A-Za-z_-][\w-]{0,63})\s*(\??=!?|:|$)")


@dataclass(frozen=True, slots=True)
class _File:
    """A line of the files called `name`; `in_turn` takes them one after the other."""

    name: str
    in_turn: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[tuple[float, "_Sequence"], ...]
    low: int = 1
    high: int = 1
    separator: str = ","
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class _Assign:
    name: str
    value: "_Sequence"
    once: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class _Use:
    name: str
    default: "_Sequence | None"


_Node = str | _File | _Choice | _Assign | _Use
_Sequence = tuple[_Node, ...]


@dataclass(slots=True)
class _Frame:
    """An open `{` or `${` (the first one is the prompt itself) and what has been read in it so far."""

    mark: str
    options: list[list[_Node]] = field(default_factory=lambda: [[]])
    square: int = 0

    def literal(self, closing: str = "") -> list[_Node]:
        """Gives what was read as text that only looked like a choice."""
        nodes: list[_Node] = [self.mark, *self.options[0]]
        for option in self.options[1:]:
            nodes += ["|", *option]
        return [*nodes, closing]


class WildcardFolder:
    """The word lists in `path` and below: one text file each, one entry a line. The folder need not exist."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def names(self) -> list[str]:
        """Gives what can stand between `__` and `__`: `hats`, `clothes/hats`, sorted."""
        files = visible(self.path, "**/*.txt") if self.path.is_dir() else ()
        return sorted(file.relative_to(self.path).with_suffix("").as_posix() for file in files)

    def entries(self, name: str) -> list[str]:
        """Gives the lines of all files that `name` (with `*` and `?`) fits, without blank ones and `#` remarks.

        A name without a folder is looked for in all folders if there is none at the top. Raises PromptError, with near
        names, where there is none, and for a file that is no text.
        """
        names = self.names
        lines = dict.fromkeys(line for each in _fitting(name, names) for line in self._lines(each))
        if not lines:
            near = get_close_matches(name, names, n=3)
            advice = f"did you mean __{'__ or __'.join(near)}__?" if near else "write it, or draw with --wildcards off"
            raise PromptError(f"there is no word list {name[:64]}.txt in {self.path}: {advice}")
        return list(lines)

    def _lines(self, name: str) -> list[str]:
        path = self.path / f"{name}.txt"
        try:
            lines = [line.strip() for line in read_text(path, LARGEST_FILE).splitlines()]
        except (OSError, ValueError) as error:
            raise PromptError(f"{path} cannot be read as a word list: {error}; give a UTF-8 text file") from None
        return [line for line in lines if line and not line.startswith("#")]


class _ReadOnce(WildcardFolder):
    """The same word lists, each as it was when it was first asked for."""

    def __init__(self, folder: WildcardFolder) -> None:
        super().__init__(folder.path)
        self._known: dict[str, list[str]] = {}

    def entries(self, name: str) -> list[str]:
        """Gives the lines of `WildcardFolder.entries`; whoever gets them changes nothing in them."""
        if name not in self._known:
            self._known[name] = super().entries(name)
        return self._known[name]


def choose_words(prompt: str, folder: WildcardFolder, *, seed: int, turn: int = 0) -> str:
    """Gives `prompt` with everything chosen: by chance from `seed`, or the `turn`-th where a mark `@` asks for that.

    Raises PromptError for an unknown list or variable, and for choices nested or growing without end.
    """
    return word_chooser(prompt, folder)(seed, turn)


def word_chooser(prompt: str, folder: WildcardFolder) -> Callable[[int, int], str]:
    """Gives what does `choose_words` for many a seed and turn, and reads the prompt and its lists only once."""
    once = _ReadOnce(folder)
    nodes = _read(prompt, once)

    def choose(seed: int, turn: int) -> str:
        random = Random(seed)

        def decide(weights: Sequence[float], in_turn: bool) -> int:
            if in_turn:
                return turn % len(weights)
            return random.choices(range(len(weights)), weights if any(weights) else None)[0]

        return _Chooser(once, decide).text(nodes, {}, 0)

    return choose


def all_words(prompt: str, folder: WildcardFolder, *, limit: int) -> list[str]:
    """Gives every prompt that `prompt` can become, each once; raises PromptError if they are more than `limit`."""
    folder = _ReadOnce(folder)
    nodes = _read(prompt, folder)
    found: dict[str, None] = {}
    wheels: list[tuple[int, int]] = []  # (position, size) of each decision on the way, as in a mileage counter
    for _ in range(4 * limit):
        at = 0

        def decide(weights: Sequence[float], in_turn: bool) -> int:
            nonlocal at
            if at == len(wheels):
                wheels.append((0, len(weights)))
            at += 1
            return wheels[at - 1][0]

        found[_Chooser(folder, decide).text(nodes, {}, 0)] = None
        if len(found) > limit:
            break
        while wheels and wheels[-1][0] + 1 == wheels[-1][1]:
            wheels.pop()
        if not wheels:
            return list(found)
        wheels[-1] = (wheels[-1][0] + 1, wheels[-1][1])
    raise PromptError(f"the wildcards of the prompt give more than {limit} prompts: leave some out")


def _fitting(name: str, names: Sequence[str]) -> list[str]:
    """Gives those of `names` that `name` fits, at the top or, if none there does, in any folder."""
    pattern = name.replace("[", "[[]")  # a bracket is itself
    found = [each for each in names if fnmatchcase(each, pattern)]
    return found or [each for each in names if fnmatchcase(each, f"*/{pattern}")]


def _read(prompt: str, folder: WildcardFolder) -> _Sequence:
    frames = [_Frame("")]
    at = start = 0
    names: list[str] | None = None

    def keep_text(end: int) -> None:
        if end > start:
            frames[-1].options[-1].append(prompt[start:end])

    while at < len(prompt):
        mark, frame = prompt[at], frames[-1]
        length = 1
        if mark == "\\":
            at += 2
            continue
        if mark in "[]":
            frame.square = max(0, frame.square + (1 if mark == "[" else -1))
            at += 1
            continue
        if mark == "_":
            found = _NAME.match(prompt, at)
            if not found and (odd := _ODD_NAME.match(prompt, at)):
                names = folder.names if names is None else names
                found = odd if _fitting(odd[2], names) else None
            if not found:
                at += 1
                continue
            keep_text(at)
            frame.options[-1].append(_File(found[2], found[1] in ("@", "!")))
            length = len(found[0])
        elif mark == "{" or prompt.startswith("${", at):
            length = 1 if mark == "{" else 2
            keep_text(at)
            if len(frames) > MAX_NESTING:
                raise PromptError(f"the brace at character {at + 1} is inside {MAX_NESTING} others: close some before")
            frames.append(_Frame(prompt[at : at + length]))
        elif mark == "}" and len(frames) > 1:
            keep_text(at)
            frames.pop()
            frames[-1].options[-1] += _closed(frame)
        elif mark == "|" and frame.mark == "{" and not frame.square:
            keep_text(at)
            frame.options.append([])
        else:
            at += 1
            continue
        at += length
        start = at
    keep_text(len(prompt))
    while len(frames) > 1:
        unclosed = frames.pop()
        frames[-1].options[-1] += unclosed.literal()
    return tuple(frames[0].options[0])


def _closed(frame: _Frame) -> list[_Node]:
    """Gives what a closed brace is: a choice, a variable, or text."""
    first = frame.options[0]
    text = first[0] if first and isinstance(first[0], str) else ""
    if frame.mark == "${":
        found = _VARIABLE.match(text)
        if not found or (found[2] == "" and len(first) > 1):
            return frame.literal("}")
        value = tuple(_cut(first, found.end()))
        if found[2] == "":
            return [_Use(found[1], None)]
        if found[2] == ":":
            return [_Use(found[1], value)]
        return [_Assign(found[1], value, once=found[2].endswith("!"), keep=found[2].startswith("?"))]
    amount = _AMOUNT.match(text)
    has_amount = bool(amount and amount[3] is not None and (amount[2] or amount[4]))
    if len(frame.options) == 1 and not has_amount:
        return frame.literal("}")
    if amount and (has_amount or amount[1]):
        frame.options[0] = _cut(first, amount.end())
    options = tuple(_weighed(option) for option in frame.options)
    in_turn = bool(amount and amount[1] in ("@", "!"))
    if not amount or not has_amount:
        return [_Choice(options, in_turn=in_turn)]
    low = int(amount[2]) if amount[2] else 1
    high = int(amount[4]) if amount[4] else _NO_END if amount[3] else low
    return [_Choice(options, low, high, "," if amount[5] is None else amount[5], in_turn)]


def _cut(nodes: list[_Node], length: int) -> list[_Node]:
    """Gives `nodes` without the first `length` characters of their first text."""
    return [nodes[0][length:], *nodes[1:]] if nodes and isinstance(nodes[0], str) else nodes


def _weighed(option: list[_Node]) -> tuple[float, _Sequence]:
    """Gives an option's weight and content; white space before it goes."""
    found = _WEIGHT.match(option[0]) if option and isinstance(option[0], str) else None
    weight = float(found[1]) if found else 1.0
    content = _cut(option, found.end()) if found else option
    if content and isinstance(content[0], str):
        content = [content[0].lstrip(), *content[1:]]
    return weight, tuple(content)


Decide = Callable[[Sequence[float], bool], int]
"""From the weights of the options, and whether they are taken in turn, to the number of one."""


@dataclass(slots=True)
class _Chooser:
    """Chooses one text for each node; `decide` says which."""

    folder: WildcardFolder
    decide: Decide
    visited: int = 0

    def text(self, nodes: _Sequence, variables: dict[str, _Sequence], depth: int) -> str:
        if depth > 2 * MAX_NESTING:
            raise PromptError("the wildcards of the prompt name one another in a circle: break it")
        return "".join([self._one(node, variables, depth + 1) for node in nodes])

    def _one(self, node: _Node, variables: dict[str, _Sequence], depth: int) -> str:
        self.visited += 1 + (len(node) if isinstance(node, str) else 0)
        if self.visited > 4 * LONGEST_PROMPT:
            raise PromptError(f"the wildcards of the prompt give more than {LONGEST_PROMPT} characters: use fewer")
        if isinstance(node, str):
            return node
        if isinstance(node, _File):
            return self._chosen(_Choice(((1.0, (node,)),)), variables, depth)
        if isinstance(node, _Choice):
            return self._chosen(node, variables, depth)
        if isinstance(node, _Use):
            return self.text(_value(node, variables), variables, depth)
        if not (node.keep and node.name in variables):
            variables[node.name] = (self.text(node.value, variables, depth),) if node.once else node.value
        return ""

    def _chosen(self, node: _Choice, variables: dict[str, _Sequence], depth: int) -> str:
        file = _only_file(node)
        left = [_weighed([line]) for line in self.folder.entries(file.name)] if file else list(node.options)
        in_turn = node.in_turn or (file is not None and file.in_turn)
        low, high = sorted((min(node.low, len(left)), min(node.high, len(left))))
        amount = low + (self.decide([1.0] * (high - low + 1), False) if high > low else 0)
        texts = []
        for _ in range(amount):
            _, option = left.pop(self.decide([weight for weight, _ in left], in_turn))
            nodes = _read(str(option[0]), self.folder) if file else option
            texts.append(self.text(nodes, variables, depth))
        return node.separator.join(texts)


def _only_file(node: _Choice) -> _File | None:
    """Gives the word list that is all there is to choose from: then its lines are the options."""
    (_, option), *others = node.options
    nodes = [each for each in option if not isinstance(each, str) or each.strip()]
    return nodes[0] if not others and len(nodes) == 1 and isinstance(nodes[0], _File) else None


def _value(node: _Use, variables: Mapping[str, _Sequence]) -> _Sequence:
    value = variables.get(node.name, node.default)
    if value is None:
        raise PromptError(f"${{{node.name}}} is used and never set: write ${{{node.name}=...}} before it")
    return value
