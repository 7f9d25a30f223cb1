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


class ChildNotReadyError(CliError):
    """A child process could not be used after its first start."""


class ChildFailedError(CliError):
    """A child process kept on dying and is not restarted any more."""


class StalledError(CliError):
    """What was waited for made no progress for too long."""
