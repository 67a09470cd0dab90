"""How a command ends other than well or badly. Knows nothing of commands."""


class Interrupted(Exception):
    """Raised by a command that was stopped by the user; the message says what is saved and where."""
