"""Measurements of the registrar: durable events a second, receipts, pages of a long log, verification."""
