"""Folds: runners that read a source feed and derive output feeds from it."""
