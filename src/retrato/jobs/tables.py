"""The tables of the queue, and what is asked of them in more than one place. Knows nothing of jobs."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL, place REAL NOT NULL,
    settings TEXT NOT NULL, options TEXT NOT NULL, progress REAL NOT NULL DEFAULT 0, resumes INTEGER NOT NULL DEFAULT 0,
    wish TEXT, device TEXT, created REAL NOT NULL, started REAL, ended REAL, result TEXT, error TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, created);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL, at REAL NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_job ON events (job, number);
"""
# Of a row of jobs. Its number says what came last, also where the clock was put back in between.
LAST_EVENT = "(SELECT max(number) FROM events WHERE job = jobs.id)"
# For a job that goes to the end of the queue.
LAST_PLACE = "(SELECT coalesce(max(place), 0) + 1 FROM jobs)"
