"""The queue of things to do, and the doing of them: one worker, nothing lost when the process ends."""

from retrato.jobs.job import Job, JobEvent
from retrato.jobs.orders import order_captions, order_drawing, order_grid, order_preparation, order_training
from retrato.jobs.queue import LOCAL, JobQueue
from retrato.jobs.work import fail, recover, work, worker_lock

__all__ = [
    "LOCAL",
    "Job",
    "JobEvent",
    "JobQueue",
    "fail",
    "order_captions",
    "order_drawing",
    "order_grid",
    "order_preparation",
    "order_training",
    "recover",
    "work",
    "worker_lock",
]
