"""The report of any finished training run, made from what lies in its folder. Knows nothing of how it was trained."""

import logging
from pathlib import Path

from retrato.training.captions import class_phrase
from retrato.training.report import appendix, sections
from retrato.training.report.page import counted, seconds_in_words, write_page
from retrato.training.report.prints import Print
from retrato.training.report.record import RunRecord, read_record

logger = logging.getLogger("retrato")


def write_report(run_folder: Path) -> Path:
    """Writes `report.html` into the folder of a finished run and gives its path; see `record.read_record`."""
    record = read_record(run_folder)
    class_word = class_phrase(record.settings.get("initializer_text", ""))
    prints = [Print(file, f"{record.name}, drawn") for file in sections.best_pictures(record)]
    parts = [
        sections.hero(record, record.name, _lede(record), prints),
        sections.contact_sheet(record),
        sections.picked_comparisons(record, class_word),
        sections.curves(record),
        sections.candidates(record),
        appendix.times_and_settings(record),
        appendix.about_scores(record),
        appendix.how_to_go_on(record, _prompts_to_try(record)),
    ]
    title = f"{record.name}: report of the training"
    return write_page(run_folder / "report.html", title, parts, appendix.signature(record))


def try_to_write_report(run_folder: Path) -> None:
    """Writes the page; the person is learned and installed by then, so a full disk is only a warning."""
    try:
        write_report(run_folder)
    except OSError as error:
        logger.warning("%s has no report, it could not be written: %s", run_folder, error.strerror or error)


def _prompts_to_try(record: RunRecord) -> tuple[str, ...]:
    first = record.prompt("a portrait of [name]")
    second = "a portrait of [name], comic style" if record.is_hypernetwork else "a portrait of [[name] | panda]"
    return first, record.prompt(second)


def _lede(record: RunRecord) -> str:
    trained = len(record.photos) - record.held_out
    return (
        f"Learned from {counted(trained, 'photo')} in {seconds_in_words(record.times['train'])} on "
        f"{record.model['name']}, of which nothing was changed; {sections.which(record.picked)} of {record.steps_run} "
        "was kept."
    )
