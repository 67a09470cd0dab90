"""Whose pictures are: what a job has said about the files that it made. Knows nothing of galleries."""

from retrato.jobs.queue import JobQueue


def owners_of_pictures(queue: JobQueue) -> dict[str, str]:
    """Gives the owner of each picture and sheet that a job in `queue` has drawn, by its file below the home folder.

    A picture's file does not say whose it is; the jobs do, for as long as the queue remembers them.
    """
    owners = {}
    for job in queue.jobs(limit=-1):
        for event in queue.events(job.id, kinds=("drawn", "sheet"), limit=-1):
            if file := event.data.get("file"):
                owners[str(file)] = job.owner
    return owners
