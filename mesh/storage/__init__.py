"""Durable state: files, directory locks and runs."""
