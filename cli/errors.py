"""Errors that the command reports as a sentence instead of a traceback."""


class CliError(Exception):
    """An error that the user can act on.

    The message is one or more plain sentences that name the next step. `exit_code` is the process' exit status: 1 where
    the work failed, 2 where the request was invalid and nothing was started.
    """

    exit_code = 1


class UsageError(CliError):
    """The request was invalid; nothing was started."""

    exit_code = 2


class ChildFailedError(CliError):
    """A child process cannot run as configured, and is not restarted."""


class JetStreamUnavailableError(CliError):
    """JetStream gave no answer; it may answer later."""


class StalledError(CliError):
    """The awaited operation made no progress for too long."""
