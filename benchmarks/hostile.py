"""Runs every fault injection and every hostile input that there is, and says how many were tried, survived and lost.

python -m benchmarks.hostile              all of them, also those in benchmarks/faults, which take minutes
python -m benchmarks.hostile --quick      only those of the test-suite
python -m benchmarks.hostile --list       only says which tests stand for what, and runs none

What counts stands in `ROWS`: for each fault and each kind of hostile input, the tests that inject it. A row without a
test is said to be open and is no success; so is one whose tests were skipped. A test of properties tries many inputs;
each of them counts. Then what refusing the worst embeddings took (see `refusals`), and one line of JSON; ends with 1
where anything was lost, is open, or took more than the bounds.
"""

import argparse
import contextlib
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from benchmarks import refusals
from benchmarks.main_job import circumstances

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """A fault or a kind of hostile input, and the tests for it: `file::test`, as globs, below tests or benchmarks."""

    what: str
    tests: tuple[str, ...]


def _row(what: str, *tests: str) -> Row:
    return Row(what, tests)


TRAIN = "unit/training/test_train.py::test_"
SERVICE = "unit/server/test_service.py::test_"
WORKER = "unit/server/test_worker.py::test_"
DOORS = "unit/server/test_doors.py::test_"
SDAPI = "unit/server/api/test_sdapi.py::test_"
SDAPI_TRAINING = "unit/server/api/test_sdapi_training.py::test_"
ROWS = (
    # --- faults ---
    _row(
        "killed at each write, and at random",
        "unit/training/test_checkpoint.py::test_a_kill_at_any_moment*",
        "unit/training/test_run_folder.py::test_what_a_killed_process_left*",
        "unit/test_files.py::test_the_old_file_survives*",
        "unit/test_files.py::test_a_failed_rename*",
        "unit/photos/test_journal.py::test_a_line_half_written*",
        "unit/photos/test_prepare.py::test_goes_on_after_it_was_stopped*",
        "unit/generation/test_image.py::test_a_failed_save*",
        "faults/test_training.py::test_fifty_kills*",
    ),
    _row(
        "resumed at any step, bit for bit",
        f"{TRAIN}a_resumed_run_equals*",
        f"{TRAIN}a_resumed_hypernetwork_equals*",
        f"{TRAIN}a_finished_run_resumes*",
        f"{TRAIN}a_resumed_run_may_be_longer",
        f"{TRAIN}resuming_with_other*",
        f"{TRAIN}buckets_keep_each*",
        f"{TRAIN}the_same_seed_gives*",
        "unit/training/test_run_folder.py::test_the_log_drops*",
        "faults/test_training.py::test_two_hundred_steps*",
        "faults/test_training.py::test_two_processes*",
        "unit/generation/test_variants.py::test_what_is_left*",
    ),
    _row(
        "computed in parts, or together with others",
        "unit/training/test_step.py::test_working_in_parts*",
        "unit/training/test_crowd.py::test_gradients_computed_together*",
        "unit/training/test_crowd.py::test_a_crowd_learns*",
        "unit/training/test_step.py::test_shares_add_up*",
        "end_to_end/test_processes.py::test_two_processes*",
        "unit/photos/test_prepare.py::test_two_processes*",
    ),
    _row(
        "signals and closed terminals",
        "end_to_end/test_cli.py::test_terminated_training*",
        f"{TRAIN}an_interruption_saves*",
        "unit/test_studio.py::test_who_stops_listening*",
        "end_to_end/test_faults.py::test_signals_interrupt*",
        "unit/training/test_processes.py::test_one_signal*",
        "faults/test_training.py::test_a_signal*",
        "faults/test_training.py::test_a_second_interruption*",
        "end_to_end/test_faults.py::test_ctrl_break*",
        "unit/photos/test_parallel.py::test_ctrl_c*",
    ),
    _row(
        "full disks",
        f"{TRAIN}a_full_disk*",
        "unit/photos/test_prepare.py::test_a_full_disk*",
        "unit/test_files.py::test_a_full_disk*",
        "faults/test_training.py::test_a_disk_of_four*",
        f"{SERVICE}a_photo_that_could_not*",
        f"{WORKER}a_queue_that_cannot*",
    ),
    _row(
        "places that cannot be written, folders that vanish",
        f"{TRAIN}a_place_that_cannot*",
        f"{TRAIN}a_run_folder_that_is_deleted*",
        "end_to_end/test_faults.py::test_a_disk_that_fails*",
        "end_to_end/test_faults.py::test_photos_that_are_deleted*",
        "unit/photos/test_prepare.py::test_a_folder_that_changes*",
        "unit/test_studio.py::test_where_the_library_refuses*",
        "unit/model/test_doctor.py::test_a_home_that_is_no_folder*",
        f"{TRAIN}a_run_whose_candidates*",
        f"{TRAIN}where_nothing_of_what*",
        f"{WORKER}a_gallery_that_cannot*",
        f"{WORKER}a_model_that_was_taken*",
        "unit/test_files.py::test_who_cannot_write*",
        "unit/test_files.py::test_a_share_that*",
        "unit/test_files.py::test_windows*",
        "unit/model/test_doctor.py::test_a_home_where_windows*",
        "unit/model/test_openvino.py::test_a_folder_that_cannot*",
        "unit/training/test_extension.py::test_what_was_best*",
    ),
    _row(
        "numbers that are none",
        f"{TRAIN}a_step_that_is_no_number*",
        f"{TRAIN}five_in_a_row*",
        f"{TRAIN}after_three_ways_back*",
        f"{TRAIN}an_evaluation_that_is_no_number*",
        "unit/training/test_checkpoint.py::test_numbers_that_are_none*",
        "unit/training/test_crowd.py::test_numbers_that_are_none*",
        "unit/training/test_latent_cache.py::test_names_the_photo*",
        "end_to_end/test_faults.py::test_a_photo_that_gives_no_numbers*",
        "unit/training/test_optimizer.py::test_finds_numbers*",
        "unit/hypernetworks/test_hypernetwork.py::test_refuses_numbers*",
        "unit/model/test_single_file.py::test_weights_that_are_no_numbers*",
    ),
    _row(
        "too little memory",
        "unit/training/test_answer.py::test_too_little_memory*",
        "unit/training/test_answer.py::test_a_batch_of_any_size*",
        "unit/training/test_answer.py::test_where_one_example*",
        "unit/training/test_answer.py::test_torchs_own_words*",
        "unit/training/test_crowd.py::test_too_little_memory*",
        "unit/model/test_memory.py::test_rows_are_halved*",
        "unit/sampling/test_guidance.py::test_memory_that*",
        "unit/sampling/test_guidance.py::test_where_memory*",
        "unit/training/test_evaluate.py::test_where_memory*",
    ),
    _row(
        "damaged checkpoints",
        "unit/training/test_checkpoint.py::test_a_cut_file*",
        "unit/training/test_checkpoint.py::test_one_flipped_bit*",
        "unit/training/test_checkpoint.py::test_a_checkpoint_without*",
        "unit/training/test_checkpoint.py::test_says_so_when_all*",
    ),
    _row(
        "bad photos among good ones",
        "unit/photos/test_decode.py::test_refuses*",
        "unit/photos/test_check.py::test_every_bad_file*",
        "unit/photos/test_photo.py::test_refuses*",
        "unit/photos/test_decode.py::test_broken_exif*",
        "unit/photos/test_decode.py::test_a_broken_profile*",
        "unit/photos/test_check.py::test_unreadable_files*",
        "unit/photos/test_prepare.py::test_bad_pictures*",
        "unit/photos/test_photo.py::test_says_what_is_wrong*",
        "unit/photos/test_photo.py::test_one_bad_file*",
        "unit/photos/test_look.py::test_files_that_cannot_be_read*",
        "unit/photos/test_parallel.py::test_a_process_that_dies*",
        "end_to_end/test_cli.py::test_a_truncated_photo*",
        "properties/test_photos.py::test_chance_bytes*",
        "properties/test_photos.py::test_spoilt_pictures*",
    ),
    _row(
        "servers killed at work",
        "end_to_end/test_crashes.py::test_*",
        "unit/jobs/test_learning.py::test_after_a_restart*",
        "unit/jobs/test_queue.py::test_a_job_that_was_accepted*",
        "unit/jobs/test_queue.py::test_what_ran_when*",
        "unit/jobs/test_queue.py::test_a_job_that_keeps_ending*",
        "unit/jobs/test_queue.py::test_a_wish_survives*",
        "unit/jobs/test_queue.py::test_a_failed_change*",
        "unit/jobs/test_work.py::test_a_stopped_drawing*",
        "unit/jobs/test_work.py::test_a_stopped_sheet*",
        "unit/jobs/test_work.py::test_a_matrix_that_was_stopped*",
        "unit/jobs/test_work.py::test_what_nobody_foresaw*",
        "end_to_end/test_server.py::test_a_killed_server*",
        "unit/jobs/test_ownership.py::test_a_picture_whose_entry*",
        "unit/jobs/test_queue.py::test_a_wish_that*",
        "unit/jobs/test_work.py::test_a_wish_of*",
        "unit/jobs/test_work.py::test_what_comes_of_choices*",
        f"{WORKER}a_job_whose_end*",
        f"{WORKER}a_server_that_cannot*",
        f"{WORKER}leftovers_are*",
    ),
    _row(
        "listeners that go and come back",
        "unit/server/api/test_jobs.py::test_listening_goes_on*",
        "unit/server/api/test_jobs.py::test_who_comes_back*",
        "end_to_end/test_server.py::test_who_drops_out*",
        "unit/jobs/test_work.py::test_who_stops_listening*",
        "unit/jobs/test_queue.py::test_events_count_on*",
        "browser/test_newcomer.py::test_*_over_a_crash",
        "browser/test_dropping_out.py::test_*",
    ),
    _row(
        "clocks that are set",
        "unit/jobs/test_queue.py::test_a_clock*",
        "end_to_end/test_faults.py::test_a_clock*",
        "faults/test_training.py::test_the_time_to_go*",
        "unit/jobs/test_queue.py::test_what_has_just_ended*",
        f"{WORKER}a_job_that_ends*",
    ),
    _row(
        "processes and workers that are lost",
        "unit/training/test_processes.py::test_a_*",
        "unit/test_cluster.py::test_a_*",
        "unit/test_cluster.py::test_two_workers*",
        "unit/test_cluster.py::test_the_next_try*",
    ),
    _row(
        "two at once",
        "unit/training/test_run_folder.py::test_two_trainings*",
        "unit/training/test_run_folder.py::test_the_lock_of_a_killed*",
        f"{TRAIN}two_trainings_in_one_folder*",
        "faults/test_training.py::test_a_second_training*",
        "unit/jobs/test_work.py::test_there_is_one_worker*",
        "unit/jobs/test_learning.py::test_somebody_elses*",
        "unit/training/test_run_folder.py::test_two_spellings*",
        "unit/embeddings/test_library.py::test_whoever_reads*",
        "unit/server/web/test_photos.py::test_a_photo_that_somebody*",
        "unit/test_forget.py::test_others_who_learn*",
        f"{SERVICE}photos_of_one_name*",
        f"{WORKER}a_second_server*",
    ),
    _row(
        "thousands of drawings",
        "end_to_end/test_benchmark.py::test_many_drawings*",
        "faults/test_drawing.py::test_two_thousand*",
    ),
    _row(
        "no network",
        f"{SERVICE}nobody_outside*",
        "end_to_end/test_cli.py::test_importing_retrato_switches_the_network_off*",
        "unit/model/test_hub.py::test_a_wrong_name*",
        "unit/model/test_openvino.py::test_its_telemetry*",
        "unit/server/web/test_page.py::test_nothing_is_told*",
        "browser/test_using.py::test_a_look_up*",
        "faults/test_drawing.py::test_without_a_network*",
    ),
    _row("files of earlier versions", "golden/test_checkpoints.py::test_*", f"{TRAIN}a_setting_that_is_younger*"),
    # --- hostile input ---
    _row(
        "pickles that would run code",
        "unit/embeddings/test_torch_file.py::test_*",
        "unit/hypernetworks/test_formats.py::test_a_pickle*",
        "unit/model/test_checkpoint_file.py::test_a_pickle*",
        "golden/test_embeddings.py::test_hostile*",
        "golden/test_a1111_unpickler.py::test_the_check*",
        f"{SERVICE}no_pickle*",
    ),
    _row(
        "embeddings that lie or are damaged",
        "unit/embeddings/test_safetensors_file.py::test_refuses*",
        "unit/embeddings/test_embedding.py::test_refuses*",
        "unit/embeddings/test_embedding.py::test_a_huge_name*",
        "unit/embeddings/test_library.py::test_skips*",
        "unit/embeddings/test_formats.py::test_refuses*",
        "unit/embeddings/test_layout.py::test_refuses*",
        "unit/embeddings/test_kind.py::test_what_is_no*",
        "unit/hypernetworks/test_*.py::test_*refuse*",
        "unit/hypernetworks/test_library.py::test_a_broken_file*",
        "golden/test_embeddings.py::test_refuses*",
        "golden/test_embeddings.py::test_says_why*",
        "properties/test_embeddings.py::test_damaged*",
    ),
    _row("cards with something else in them", "unit/embeddings/test_card.py::test_refuses*"),
    _row(
        "models with code, lies or damage",
        "unit/model/test_checkpoint_file.py::test_what_is_no*",
        "unit/model/test_checkpoint_file.py::test_a_cut_off*",
        "unit/model/test_checkpoint_file.py::test_lying*",
        "unit/model/test_load.py::test_*_refused*",
        "unit/model/test_load.py::test_a_broken_part*",
        "unit/model/test_load.py::test_a_part_that_lacks*",
        "unit/model/test_catalogue.py::test_a_folder_without*",
        "unit/model/test_catalogue.py::test_one_broken_folder*",
        "unit/model/families/test_detect.py::test_each_other_thing*",
        "unit/model/test_openvino.py::test_the_graph_is_kept_and_a_damaged*",
        "unit/model/test_hub.py::test_a_model_comes_without*",
        "unit/model/families/test_detect.py::test_models_with_another*",
        "unit/model/test_load.py::test_what_a_mac*",
    ),
    _row(
        "names and paths that lead elsewhere",
        f"{SERVICE}names_never*",
        f"{SERVICE}a_path*",
        f"{SERVICE}a_link_out*",
        f"{SERVICE}models_are_chosen*",
        f"{SERVICE}every_endpoint*",
        f"{SDAPI_TRAINING}what_training_cannot*",
        "unit/embeddings/test_embedding.py::test_names_that_do_not",
        "unit/embeddings/test_card.py::test_a_name_that_is_a_path*",
        "unit/embeddings/test_library.py::test_a_link_out*",
        "unit/hypernetworks/test_library.py::test_a_link_out*",
        "properties/test_embeddings.py::test_a_checked_name*",
        "properties/test_photos.py::test_any_name*",
        "unit/server/web/test_dropped.py::test_nothing_else*",
        "unit/server/web/test_dropped.py::test_paths_are*",
        "unit/server/web/test_page.py::test_the_page_reads_no*",
        "unit/server/api/test_jobs.py::test_a_preparation_names*",
    ),
    _row(
        "addresses to fetch",
        f"{SDAPI}no_picture_is_fetched*",
        "unit/server/web/test_dropped.py::test_addresses*",
    ),
    _row(
        "requests that ask for too much, or nonsense",
        f"{SERVICE}large_requests*",
        f"{SERVICE}what_is_no_json*",
        f"{SERVICE}what_nobody_foresaw*",
        f"{SERVICE}*bomb*",
        f"{SDAPI}what_is_wrong*",
        f"{SDAPI}what_the_settings*",
        f"{SDAPI}options_that_cannot*",
        "unit/server/api/test_jobs.py::test_what_is_wrong*",
        "unit/server/api/test_jobs.py::test_problems*",
        "unit/server/web/test_restoring.py::test_broken_numbers*",
        "unit/jobs/test_queue.py::test_a_full_queue*",
        "end_to_end/test_openapi.py::test_no_made_up*",
        "unit/server/web/test_dropped.py::test_what_is_no_json*",
        "unit/server/web/test_dropped.py::test_a_body_in_many*",
        "unit/test_files.py::test_text_is_read*",
        "unit/test_studio.py::test_networks_that_cannot*",
        "unit/test_studio.py::test_settings_that_nobody*",
    ),
    _row(
        "prompts, settings and texts",
        "properties/test_prompts.py::test_nothing_but*",
        "properties/test_prompts.py::test_work_*",
        "properties/test_prompts.py::test_hostile*",
        "properties/test_infotext.py::test_reading*",
        "properties/test_infotext.py::test_long_hostile*",
        "properties/test_infotext.py::test_what_a_picture*",
        "properties/test_rate_schedules.py::test_any_text*",
        "unit/prompts/test_*.py::test_*refused*",
        "unit/prompts/test_grammar.py::test_deeper*",
        "unit/prompts/test_styles.py::test_what_is_no*",
        "unit/prompts/test_wildcards.py::test_what_*",
        "unit/prompts/test_wildcards.py::test_all_of_too_many",
        "unit/generation/test_picture_text.py::test_damaged*",
        "unit/generation/test_picture_text.py::test_what_is_no*",
        "unit/generation/test_canvas.py::test_masks_that_cannot*",
        "unit/server/web/test_styles.py::test_a_broken_file*",
        "unit/test_gallery.py::test_what_is_no_picture*",
        "unit/test_settings.py::test_*bad_value*",
        "unit/test_settings.py::test_every_number*",
        "unit/server/web/test_restoring.py::test_any_text*",
    ),
    _row(
        "words that would be a page",
        f"{SERVICE}foreign_words*",
        "unit/training/report/test_*.py::test_*hostile*",
        "unit/test_markup.py::test_*",
        "unit/photos/test_page.py::test_the_page_stands*",
        "unit/server/web/test_site.py::test_what_others_wrote*",
        "unit/server/web/test_page.py::test_scripts_run_by_a_nonce*",
        "unit/training/report/test_page.py::test_a_prompt_keeps*",
        "unit/training/report/test_curves.py::test_labels_are_escaped*",
        "unit/photos/test_sheet.py::test_long_odd_names*",
        "browser/test_keys.py::test_the_texts_of_others*",
    ),
    _row(
        "other sites, and names that lead here",
        f"{DOORS}names_that_lead*",
        f"{DOORS}listening_goes*",
        f"{DOORS}other_sites*",
        f"{SERVICE}reading_changes*",
        f"{DOORS}changes_are*",
        f"{DOORS}forms_are*",
        "unit/server/web/test_page.py::test_uploads_come*",
        f"{DOORS}sockets_are*",
        f"{DOORS}a_link_leads*",
        f"{DOORS}every_answer*",
    ),
    _row(
        "strangers, guesses and other users",
        f"{DOORS}strangers*",
        f"{DOORS}guessing*",
        f"{DOORS}other_machines*",
        f"{DOORS}listening_without*",
        f"{DOORS}passwords*",
        f"{SERVICE}everybody_sees*",
        f"{SERVICE}sets_of_photos*",
        "unit/jobs/test_queue.py::test_what_belongs*",
        "unit/jobs/test_queue.py::test_moving*",
        "unit/jobs/test_ownership.py::test_pictures_and_sheets*",
        "unit/server/web/test_site.py::test_a_job_is_its*",
        "unit/server/web/test_page.py::test_each_server_keeps*",
        "unit/test_gallery.py::test_a_drive_that*",
        "unit/test_gallery.py::test_a_picture_that_changed*",
        "unit/test_home.py::test_a_home_of_nobody*",
        f"{DOORS}who_is_called*",
        f"{SDAPI_TRAINING}what_was_trained*",
    ),
    _row(
        "traces that should not stay",
        "unit/test_forget.py::test_n*",
        "unit/test_forget.py::test_while_she*",
        "unit/test_forget.py::test_people_whose*",
        "unit/test_forget.py::test_who*",
        "unit/test_forget.py::test_an_ordinary_word*",
        "unit/test_forget.py::test_what_others*",
        "unit/test_forget.py::test_after_a_removal*",
        "unit/test_forget.py::test_what_was_sent*",
        "end_to_end/test_privacy.py::test_*",
        "unit/training/report/test_prints.py::test_nothing_but_pixels*",
        f"{SERVICE}a_photo_keeps*",
        "unit/jobs/test_sent.py::test_what_requests_left*",
        "unit/photos/test_decode.py::test_nothing_but_pixels*",
        "unit/photos/test_prepare.py::test_where_it_was_taken*",
        "unit/test_gallery.py::test_a_thumbnail*",
        "unit/test_gallery.py::test_removing*",
        "unit/test_forget.py::test_a_copy*",
        "unit/test_forget.py::test_a_name_is*",
        "unit/test_forget.py::test_pictures_that*",
        "unit/test_forget.py::test_sheets*",
        "unit/test_forget.py::test_what_was_dropped*",
        "unit/test_forget.py::test_who_is_called*",
        "unit/jobs/test_learning.py::test_a_home_that_was_moved*",
        "unit/test_forget.py::test_where_the_library*",
        "unit/test_gallery.py::test_a_person_is_found*",
        "unit/embeddings/test_embedding.py::test_people_are_mentioned*",
        "unit/server/web/test_photos.py::test_of_a_dropped*",
        "unit/training/test_seen.py::test_twenty*",
    ),
)
_EXAMPLES = re.compile(r"(\d+) passing(?: examples?)?, (\d+) failing")
FOLDERS = ("tests/unit", "tests/golden", "tests/properties", "tests/end_to_end", "tests/browser", "benchmarks/faults")


@dataclass(slots=True, eq=False)  # pytest keeps plugins in sets
class Record:
    """A pytest plugin that keeps the tests of `rows` and counts what becomes of them, by what they are for."""

    rows: Sequence[Row] = ROWS
    tests: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    collected: dict[str, list[str]] = field(default_factory=dict)
    _passing: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> list[str]:
        """Gives what nothing stands for."""
        return [row.what for row in self.rows if not self.tried[row.what]]

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves only those that count."""
        others = [item for item in items if self.row_of(item.nodeid) is None]
        items[:] = [item for item in items if self.row_of(item.nodeid)]
        for item in items:
            self.collected.setdefault(self.row_of(item.nodeid) or "?", []).append(item.nodeid)
        config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):  # type: ignore[no-untyped-def]
        """Counts the end of a test; where its preparation or what comes after it failed, it is lost too."""
        outcome = yield
        report, what = outcome.get_result(), self.row_of(item.nodeid) or "?"
        if report.skipped:
            self.skipped.append(item.nodeid)
            return
        if report.passed and report.when != "call":
            return
        if report.when == "teardown":  # it was counted as survived before
            self.survived[what] -= self._passing.get(item.nodeid, 0)
            self.lost.append(item.nodeid)
            return
        found = [(int(passing), int(failing)) for passing, failing in _EXAMPLES.findall(_statistics(item))]
        passing, failing = (sum(column) for column in zip(*found, strict=True)) if found else (1, 0)
        self.tests[what] += 1
        self.tried[what] += max(1, passing + failing)
        self._passing[item.nodeid] = passing if report.passed or found else 0
        self.survived[what] += self._passing[item.nodeid]
        if not report.passed:
            self.lost.append(item.nodeid)

    def row_of(self, nodeid: str) -> str | None:
        """Gives what a test stands for: the first row that has a pattern for it."""
        name = re.sub(r"\[.*", "", nodeid, flags=re.DOTALL)
        name = re.sub(r"^.*?(?:tests|benchmarks)/", "", name)
        return next((row.what for row in self.rows if any(fnmatchcase(name, test) for test in row.tests)), None)


def _statistics(item: pytest.Item) -> str:
    """Gives what Hypothesis says about a test of properties: how many inputs it tried."""
    return str(getattr(item, "hypothesis_statistics", ""))


def listed(record: Record) -> list[str]:
    """Gives the lines that say which of the collected tests stand for what; one test for all of its parameters."""
    lines = []
    for row in record.rows:
        found = record.collected.get(row.what, [])
        names = Counter(re.sub(r"\[.*", "", name, flags=re.DOTALL) for name in found)
        lines.append(f"{row.what}: {len(found) or 'open'}")
        lines += [f"    {name}" + (f" ({count})" if count > 1 else "") for name, count in names.items()]
    return [*lines, f"all: {sum(len(found) for found in record.collected.values())}"]


def run(paths: Sequence[str], *more: str, rows: Sequence[Row] = ROWS) -> Record:
    """Runs what counts under `paths` and gives the record."""
    record = Record(rows)
    quiet = (
        "-q",
        "--no-header",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "--hypothesis-show-statistics",
    )
    pytest.main([*paths, *quiet, *more], plugins=[record])
    return record


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--quick", action="store_true", help="leave out those in benchmarks/faults")
    options = parser.parse_args()
    folders = [
        str(ROOT / name)
        for name in FOLDERS
        if (ROOT / name).is_dir() and not (options.quick and name.endswith("faults"))
    ]
    if options.list:
        with contextlib.redirect_stdout(io.StringIO()):  # pytest's own list knows no rows
            record = run(folders, "--collect-only")
        print("\n".join(listed(record)))
        return
    record = run(folders)
    print(f"\n{'what':54}{'tests':>7}{'tried':>8}{'survived':>10}{'lost':>6}")
    for row in record.rows:
        tried, survived = record.tried[row.what], record.survived[row.what]
        lost = tried - survived if tried else "open"
        print(f"{row.what:54}{record.tests[row.what]:7}{tried:8}{survived:10}{lost:>6}")
    tried, survived = record.tried.total(), record.survived.total()
    print(f"{'all':54}{record.tests.total():7}{tried:8}{survived:10}{tried - survived:6}")
    for name in record.skipped:
        print(f"skipped: {name}")
    slow = refusals.refusals()
    for each in slow[:3]:
        print(f"refused in {each.seconds:.3f} s of the processor and {each.mb:.0f} MB: {each.file}")
    beyond = [each.file for each in slow if not each.is_within]
    figures = {
        "tests": record.tests.total(),
        "tried": tried,
        "survived": survived,
        "lost": record.lost,
        "skipped": record.skipped,
        "open": record.open,
        "refusal_seconds": max(each.seconds for each in slow),
        "refusal_mb": max(each.mb for each in slow),
        "refusals_beyond": beyond,
    }
    print(json.dumps({**circumstances(), **figures}))
    raise SystemExit(1 if record.lost or record.open or beyond else 0)


if __name__ == "__main__":
    main()
