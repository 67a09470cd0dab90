"""The errors in Portuguese. The library's own source says which there are: a changed or a new one is missed at once."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import retrato
from retrato.embeddings import check_name
from retrato.errors import PhotoError, RetratoError
from retrato.photos import list_photos, read_photos, require_trainable
from retrato.photos.decode import decode
from retrato.prompts import StyleFile
from retrato.server.web.controls import settings_of
from retrato.server.web.site import Site
from retrato.server.web.spoken import ROWS, filled, pattern_of, spoken, spoken_error
from retrato.server.web.spoken_errors import ERRORS, OF_SETTINGS, PARTS
from retrato.settings import GenerateSettings, TrainSettings
from retrato.training.rate_schedule import parse_rate_schedule

SITE = Site(cast("Any", SimpleNamespace(home=Path("/home/ana/retrato"))), "pt-BR")
LIBRARY = Path(retrato.__file__).parent
ENGLISH = set("the it is are was and of with without not there this that than to from in on at by one all".split())  # noqa: SIM905
QUOTED = r"\bAND\b|`[^`]*`|a photo of \[name\]|a hat\|red\|old"

# The modules whose errors reach the page.
MET = (
    *("forget.py", "gallery.py", "studio.py", "settings.py", "jobs/queue.py", "prompts/*.py", "sampling/*.py"),
    *("photos/check.py", "photos/decode.py", "photos/photo.py", "generation/*.py", "model/attention.py"),
    *("model/load.py", "model/memory.py", "model/text.py", "model/weights.py"),
    *("embeddings/blend.py", "embeddings/library.py", "embeddings/embedding.py"),
    *("hypernetworks/library.py", "server/service.py", "server/sheets.py", "server/web/*.py"),
    *("server/pictures.py", "server/photo_files.py", "server/room.py"),
    *("training/*.py",),
)
# How errors of these modules begin that the page does not show.
NOT_MET = (
    # The page has no field for it, or never lets both be said.
    "hires and init_image were",
    "tiling and engine",
    "mask is {}, but there is no picture",
    "write width and height in pixels",
    "there is no file {}: look for the picture",
    "{} is a folder: name one picture",
    "{} was drawn by {}, which notes",
    "width and height must be",
    "the prompts have {} characters",
    "restore_faces needs",
    "steps is {} and hires_steps",
    "schedule_rules is",
    "axis is {}",
    "a sheet has {} axes",
    "a prompt matrix takes",
    "the prompts take {} bytes",
    "sizes name {}",
    "sizes is {}",
    "the hypernetwork {} reaches into",
    "{} is an address",
    "track is {}",
    "the model {} was not given",
    # The command line, a cluster, or several processes.
    "what the picture says",
    "{} does not say how it",
    "{} carries a text",
    "{} cannot be read as a PNG",
    "{} is no regular",
    "{} brings no scorer",
    "{} cannot be made, {}",
    "{} holds no run that",
    "{} is not empty",
    "{} already holds a run",
    "{} is no folder: give one",
    "{} holds no folders",
    "{} and {} would both",
    "dropout is {}",
    "WORLD_SIZE is {}",
    "another process",
    "the processes have",
    "{} photo can be used: a score",
    "{} is a file, wanted a folder",
    "{} is a folder, wanted a picture",
    "there is no recipe",
    "recipes is {}",
    "job {} has no event",
    "job {} does not wait",
    # What a file holds that is damaged, and what only a mistake of ours brings about.
    "vectors of ",
    "no vectors were found",
    "{} vectors were found",
    "vectors for {}",
    "the two text encoders",
    "step is {}",
    "metadata ",
    "{} is no scheduler",
    "unreachable",
    "the checksum",
    "format {}",
    "{} holds {} vectors, but",
    "the prompt names the embedding",
    "there is no embedding format",
    "there is no hypernetwork format",
    "there is no family",
    "{} has defaults that are",
    "{} has {} as {}: write",
)


def text_of(node: ast.AST) -> str | None:
    """Gives a string as it is written, {} for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def raised(module: Path) -> Iterator[str]:
    """Gives the sentences of the errors that a module raises in its own words."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from (text for text in map(text_of, node.exc.args) if text and " " in text)


MODULES = sorted(path for pattern in MET for path in LIBRARY.glob(pattern))
RAISED = {sentence: path for path in MODULES for sentence in raised(path)}


@pytest.fixture(scope="module")
def written() -> list[re.Pattern[str]]:
    """All strings in the library's source that are sentences, or parts of one."""
    trees = [ast.parse(path.read_text("utf-8")) for path in LIBRARY.rglob("*.py") if "spoken" not in path.name]
    texts = {text_of(node) for tree in trees for node in ast.walk(tree)} - {None}
    known = [text for text in cast("set[str]", texts) if len(text.replace("{}", "")) > 8 or "{}" not in text]
    return [re.compile(pattern_of(text).pattern.replace(".+?", ".*?"), re.DOTALL) for text in known]


@pytest.mark.parametrize("english", [row[0] for row in (*ERRORS, *PARTS)])
def test_the_library_says_it(english: str, written: list[re.Pattern[str]]) -> None:
    said = (english, english.removeprefix("{} "))  # some errors put a name before the end of a sentence
    assert any(pattern.fullmatch(each) for pattern in written for each in said)


@pytest.mark.parametrize("sentence", RAISED)
def test_an_error_that_the_page_shows_has_its_portuguese(sentence: str) -> None:
    has_row = any(pattern_of(sentence).fullmatch(english) for english, _ in (*ERRORS, *PARTS))
    assert has_row or sentence.startswith(NOT_MET), f"no row in spoken_errors.py: {RAISED[sentence]}: {sentence}"
    assert not (has_row and sentence.startswith(NOT_MET)), f"has a row, so it need not be in NOT_MET: {sentence}"


def test_what_is_listed_as_not_met_is_there() -> None:
    for start in NOT_MET:
        assert any(sentence.startswith(start) for sentence in RAISED), start


@pytest.mark.parametrize(("english", "portuguese"), ROWS)
def test_each_row_is_found_and_is_portuguese(english: str, portuguese: str) -> None:
    assert (places := portuguese.count("{}")) == english.count("{}")
    said = spoken(SITE, f"there is no embedding called 7 in 7: {english.replace('{}', '7')}")
    assert said.removeprefix("não há embedding chamado 7 em 7: ") == spoken(SITE, filled(portuguese, ["7"] * places))
    assert not ENGLISH & set(re.findall(r"[^\W\d]+", re.sub(QUOTED, "", said).lower()))


REFUSED: tuple[dict[str, Any], ...] = (
    {"steps": 0},
    {"steps": 151},
    {"steps": "many"},
    {"steps": 1.5},
    {"width": 100},
    {"guidance_scale": "high"},
    {"guidance_scale": float("inf")},
    {"tiling": "perhaps"},
    {"emphasis": "strong"},
    {"hypernetwork": "x" * 65},
)


def test_what_is_wrong_with_a_setting_is_said_in_portuguese() -> None:
    said = []
    for wrong in REFUSED:
        with pytest.raises(RetratoError) as error:
            GenerateSettings(prompt="x", **wrong)
        said.append(str(error.value))
        assert spoken(SITE, said[-1]).startswith("“"), said[-1]  # the name of the control
    assert [english for english, _ in OF_SETTINGS if not any(map(pattern_of(english).fullmatch, said))] == []


def two_settings() -> None:
    GenerateSettings(prompt="x", steps=0, batch_size=65)


def too_few_photos(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"")
    (folder / "b.png").write_bytes(b"no picture")
    require_trainable(*read_photos(folder))


@pytest.mark.parametrize(
    ("refused", "portuguese"),
    [
        (lambda _: two_settings(), "“Passos” é 0: deve ser no mínimo 1; “Tamanho do lote” é 65: deve ser no máximo 64"),
        (
            lambda _: settings_of(TrainSettings, ["name"], [" "]),
            "“Nome” está vazio: diga a palavra que chama a pessoa, e o nome do arquivo",
        ),
        (
            lambda _: check_name("a/b"),
            "'a/b' não pode ser um nome: use de 1 a 64 letras, algarismos, `_`, `-`, `.` ou ",
        ),
        (lambda _: decode(b"", "the mask"), "a máscara tem zero bytes: copie de novo de onde veio"),
        (list_photos, " não tem fotos: está vazio, e são precisas imagens como .jpg ou .png"),
        (
            too_few_photos,
            "fotos que servem: nenhuma (a.png tem zero bytes: copie de novo de onde veio; b.png não é uma imagem que "
            "se possa ler: servem JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF ou BMP, salve como uma destas), e são ",
        ),
        (lambda folder: StyleFile(folder / "styles.csv").find(["old"]), "não há estilo chamado 'old' em "),
        (lambda folder: StyleFile(folder / "styles.csv").find(["old"]), "styles.csv: ainda não há nenhum"),
        (
            lambda _: parse_rate_schedule("fast", 10),
            "'fast' na taxa de aprendizado não começa com um número: escreva um número, ou pares de taxa",
        ),
    ],
)
def test_what_stands_in_a_sentence_is_translated_too(
    refused: Callable[[Path], object], portuguese: str, tmp_path: Path
) -> None:
    with pytest.raises(RetratoError) as error:
        refused(tmp_path)
    assert portuguese in spoken_error(SITE, error.value)


def test_what_the_system_says_of_a_file_is_translated_too() -> None:
    full = os.strerror(28)
    assert spoken(SITE, f"runs/ana/loss.csv: {full}, 80 bytes are needed") == (
        "runs/ana/loss.csv: não há mais espaço no disco, são precisos 80 bytes"
    )
    assert spoken(SITE, f"ana.json cannot be written ({full}): nothing had been saved yet") == (
        "não foi possível gravar ana.json (não há mais espaço no disco): nada tinha sido salvo ainda"
    )


def test_files_are_named_as_they_lie_in_the_home_folder() -> None:
    folder = Path("photos", "ana")
    error = PhotoError(f"the folder {SITE.service.home / folder} cannot be read (x): name another one")
    assert spoken_error(SITE, error) == f"não foi possível ler a pasta {folder} (x): indique outra"


def test_what_somebody_wrote_at_length_stays_as_it_is() -> None:
    assert spoken(SITE, long := "is : " * 2000) == long


def test_no_part_of_the_page_shows_an_error_as_it_is() -> None:
    shown = re.compile(r"(problem|tag)\(.*(str\(error\)|\bjob\.error\b|\breason\b(?!\"))")
    lines = [line for path in (LIBRARY / "server/web").glob("*.py") for line in path.read_text("utf-8").splitlines()]
    assert [line for line in lines if shown.search(line) and "spoken" not in line] == []
