"""Checks of the project's own rules, which no linter knows; `make check` runs them."""
