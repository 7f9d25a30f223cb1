"""Examples in the documentation: the code blocks of a page, by language."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def examples(page: str, language: str) -> list[str]:
    """Return the page's code blocks of a language, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
