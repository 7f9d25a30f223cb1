"""Commands of the `qiki` command line: one module a command."""
