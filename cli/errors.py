"""The errors that the command explains in a sentence instead of a traceback."""


class CliError(Exception):
    """Something that the person at the keyboard can act on.

    The message is one or more plain sentences that say what to do next. `exit_code` is the process' exit status:
    1 where the work failed, 2 where it was asked for wrongly and nothing was started.
    """

    exit_code = 1


class UsageError(CliError):
    """The command was asked for something it cannot do; nothing was started."""

    exit_code = 2


class ChildFailedError(CliError):
    """A child process cannot be used as it was configured, and is not restarted."""


class JetStreamUnavailableError(CliError):
    """JetStream gave no answer; it may answer later."""


class StalledError(CliError):
    """What was waited for made no progress for too long."""
