"""The thread that does the jobs, one after the other: the only worker of its home folder."""

import logging
import threading
import time
from contextlib import closing, suppress

from retrato.errors import QueueError
from retrato.jobs import Job, JobEvent, fail, recover, work, worker_lock
from retrato.jobs.ownership import owners_of_pictures
from retrato.jobs.sent import tidy
from retrato.server.service import Service
from retrato.studio import Studio

logger = logging.getLogger("retrato")

PAUSE = 5.0  # seconds until a queue that could not be written is tried again
TIDIED_EVERY = 3600.0  # seconds
WRITTEN = ("drawn", "previewed", "saved")  # events with files that an account keeps
ONWARD = ("sampled", "stepped")  # events of a job that goes on
LEFT_FOR = 24 * 3600.0  # seconds until what nobody used is taken for left behind


class Worker:
    """Takes jobs until it is stopped; a job that is running then goes back into the queue."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._device = service.studio.device
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._lock = worker_lock(service.home)
        self._is_held = False
        self._tidied = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="retrato-worker", daemon=True)

    def hold(self) -> None:
        """Makes this the worker of its home folder, once, before it begins; raises QueueError for a second one."""
        if not self._is_held:
            self._lock.__enter__()
            self._is_held = True

    def start(self) -> None:
        """Begins; jobs that were running when the last one ended come first. Raises QueueError for a second one."""
        self.hold()
        try:
            self._put_back(is_restart=True)
            self._service.empty_dropped()
            self._tidy()  # before the first request: what that one brings is nobody's leftover
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._unsubscribe = self._service.queue.subscribe(self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step that is being made; what was done is kept."""
        self._stopping.set()
        self._woken.set()
        self._thread.join()
        self._unsubscribe()
        self._service.empty_dropped()
        self._lock.__exit__(None, None, None)

    def _put_back(self, *, is_restart: bool) -> None:
        for job in recover(self._service.queue, is_restart=is_restart):
            if job.state == "failed":
                logger.error("job %s (%s): %s", job.id, job.kind, job.error)
            else:
                logger.info("job %s (%s) goes on where it stopped", job.id, job.kind)

    def _tidy(self, older_than: float = 0) -> None:
        self._tidied = time.monotonic()
        try:
            tidy(self._service.queue, older_than=older_than)
        except Exception:  # what is left lies there until the next time
            logger.warning("what earlier requests left could not be removed", exc_info=True)

    def _run(self) -> None:
        try:
            # By the files' names: to ask who fits the model would read it, while the first page is being asked for.
            people = self._service.everybody.names
            self._service.gallery.scan(people=people, owners=owners_of_pictures(self._service.queue))
        except Exception:  # jobs can be done without, and those that cannot will say so themselves
            logger.warning("the folder of pictures could not be looked through", exc_info=True)
        is_broken = False
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                if is_broken:
                    self._put_back(is_restart=False)  # what it left running
                job = self._service.queue.claim(self._device)
                is_broken = False
                if job is not None:
                    self._do(job)
                if time.monotonic() - self._tidied >= TIDIED_EVERY:
                    self._tidy(LEFT_FOR)
            except Exception:  # a full disk: a worker that dies would leave everybody waiting
                if not is_broken:
                    logger.exception("the queue cannot be written: it is tried again every %.0f seconds", PAUSE)
                is_broken = True
                self._stopping.wait(PAUSE)
            else:
                if job is None:
                    self._woken.wait(TIDIED_EVERY)

    def _do(self, job: Job) -> None:
        """Does a job to its end; raises what the queue raises where it cannot be written.

        It fails where its owner has no room (any more), and can go on once there is some.
        """
        try:
            self._work(job)
        except Exception as error:  # of what comes before and beside the work: the model, the gallery
            fail(self._service.queue, job, error)

    def _work(self, job: Job) -> None:
        latest = time.monotonic() + self._service.settings.job_hours * 3600
        model, vae = job.options.get("model"), job.options.get("vae")
        queue, room, is_fuller = self._service.queue, self._service.room, False
        if queue.wish(job.id) is None:
            room(job.owner)
        studio = self._service.studio_for(model, None if vae is None else str(vae))
        with closing(work(studio, queue, job, stopping=self._stopping.is_set)) as events:
            for event in events:
                is_fuller = is_fuller or event.kind in WRITTEN
                if is_fuller and event.kind in ONWARD and queue.wish(job.id) is None:
                    room(job.owner)  # what its last picture takes ends no job
                    is_fuller = False
                if event.kind in ("drawn", "sheet") and job.options.get("keep", True):
                    self._enter(studio, job, event)
                if time.monotonic() > latest and queue.wish(job.id) is None:
                    with suppress(QueueError):  # it has just ended
                        queue.pause(job.id)
                    latest = float("inf")

    def _enter(self, studio: Studio, job: Job, event: JobEvent) -> None:
        """Puts a new picture into the gallery, with those whom its text names."""
        file = self._service.home / str(event.data["file"])
        self._service.gallery.add(file, people=studio.library.names, owner=job.owner)
