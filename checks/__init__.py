"""Checks of the project's own rules, which no linter has; `make check` runs them."""
