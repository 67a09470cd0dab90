"""The thread that does the jobs, one after the other: the queue's only worker on this device."""

import logging
import threading
import time
from contextlib import closing
from typing import cast

from retrato.embeddings import EmbeddingLibrary
from retrato.errors import RetratoError
from retrato.gallery import mentioned
from retrato.jobs import Job, JobEvent, recover, work, worker_lock
from retrato.server.service import Service
from retrato.studio import Studio

logger = logging.getLogger("retrato")


class Worker:
    """Takes jobs until it is stopped; a job that is running then goes back into the queue."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._device = service.studio.device
        self._studio = service.studio
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._lock = worker_lock(service.home, self._device)
        self._thread = threading.Thread(target=self._run, name="retrato-worker", daemon=True)

    def start(self) -> None:
        """Begins; jobs that were running when the last one ended come first. Raises QueueError for a second one."""
        self._lock.__enter__()
        for job in recover(self._service.queue, self._service.home, self._device):
            logger.info("job %s (%s) goes on where it stopped", job.id, job.kind)
        self._unsubscribe = self._service.queue.subscribe(self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step that is being made; what was done is kept."""
        self._stopping.set()
        self._woken.set()
        self._thread.join()
        self._unsubscribe()
        self._lock.__exit__(None, None, None)

    def _run(self) -> None:
        try:
            self._service.tidy()
            # By the files' names: to ask who fits the model would read it, while the first page is being asked for.
            self._service.gallery.scan(people=EmbeddingLibrary(self._service.home / "embeddings").names)
        except (RetratoError, OSError) as error:  # each job will say so itself
            logger.warning("%s", error)
        while not self._stopping.is_set():
            self._woken.clear()
            job = self._service.queue.claim(self._device)
            if job is None:
                self._woken.wait()
                continue
            try:
                self._do(job)
            except Exception:  # a worker that dies would leave everybody waiting
                logger.exception("job %s ended badly", job.id)
                self._service.queue.finish(job.id, "failed", error="the server failed: its log says more")

    def _do(self, job: Job) -> None:
        latest = time.monotonic() + self._service.settings.job_hours * 3600
        studio = self._studio_for(job)
        with closing(work(studio, self._service.queue, job, stopping=self._stopping.is_set)) as events:
            for event in events:
                if event.kind in ("drawn", "sheet") and job.options.get("keep", True):
                    self._enter(studio, job, event)
                if time.monotonic() > latest and self._service.queue.wish(job.id) is None:
                    self._service.queue.pause(job.id)
                    latest = float("inf")

    def _enter(self, studio: Studio, job: Job, event: JobEvent) -> None:
        """Puts a new picture into the gallery, with those whose names are in its prompt."""
        people = mentioned(str(event.data["infotext"]), studio.library.names)
        self._service.gallery.add(self._service.home / str(event.data["file"]), people=people, owner=job.owner)

    def _studio_for(self, job: Job) -> Studio:
        """Gives the studio on the job's model and VAE; beside the server's only the last one used stays in memory."""
        model = cast("str | None", job.options.get("model")) or str(self._studio.model)
        vae = cast("str", job.options.get("vae", str(self._service.studio.vae or "")))

        def serves(studio: Studio) -> bool:
            return (str(studio.model), str(studio.vae or "")) == (model, vae)

        if serves(self._service.studio):
            self._studio = self._service.studio
        elif not serves(self._studio):
            self._studio = self._service.open(model, vae or None)
        return self._studio
