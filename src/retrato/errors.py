"""Everything that retrato raises on purpose, and nothing else.

RetratoError
├── SettingsError    an option's value is outside its range, or two options contradict each other
├── PromptError      a prompt, a template file or a style file cannot be read
├── PhotoError       a picture, or a set of pictures, cannot be used for training
├── EmbeddingError   an embedding file is broken, hostile, taken, unknown or made for another model
├── HypernetworkError  the same of a hypernetwork
├── ModelError       a base model, a scorer or a captioner cannot be loaded or does not fit
├── TrainingError    training had to stop; what was learned so far is on disk
├── JobError         a queued job, or the removal of a person, failed
├── QueueError       the queue cannot do that: it is full, or the job is in another state
└── UnknownError     a job, a picture or a set of photos is asked for that is not there

A message is one sentence for the person at the keyboard: what was found, what was wanted, what to do.
"""


class RetratoError(Exception):
    """Base of the tree; `exit_code` is what the command line returns for it.

    2 means that the input is wrong and nothing was written, 1 that the work failed on the way.
    """

    exit_code = 2


class SettingsError(RetratoError):
    """Raised when an option's value is outside its range, or two options contradict each other.

    `field` is the option that it is about, the first of several; empty where that is not known.
    """

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class PromptError(RetratoError):
    """Raised when a prompt, a template file or a style file cannot be read."""


class PhotoError(RetratoError):
    """Raised when a picture, or a set of pictures, cannot be used for training."""


class EmbeddingError(RetratoError):
    """Raised when an embedding file is broken, hostile, taken, unknown or made for another model."""


class HypernetworkError(RetratoError):
    """Raised when a hypernetwork or its file is broken, hostile, taken, unknown or made for another model."""


class ModelError(RetratoError):
    """Raised when a base model, a scorer or a captioner cannot be loaded or does not fit."""


class TrainingError(RetratoError):
    """Raised when training had to stop; the message says where the last good checkpoint lies."""

    exit_code = 1


class JobError(RetratoError):
    """Raised when a queued job, or the removal of a person, failed."""

    exit_code = 1


class QueueError(RetratoError):
    """Raised when the queue cannot do what was asked: it is full, or the job is in another state."""


class UnknownError(RetratoError):
    """Raised when a job, a picture or a set of photos is asked for that is not there."""
