"""A generated table in a document, between two marks."""

from typing import Final

BEGIN: Final = "<!-- table: begin -->\n"
END: Final = "<!-- table: end -->\n"


def with_table(document: str, rows: str) -> str:
    """Return the document with these rows between its two marks.

    Raises:
        ValueError: a mark is missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the marks {BEGIN.strip()} and {END.strip()} are missing")
    return f"{head}{BEGIN}{rows}{END}{tail}"
