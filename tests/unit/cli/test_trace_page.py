"""The page is one file that loads nothing, and no text of a span becomes markup, style or code."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from cli.views.trace.span import SpanEvent, SpanLink
from cli.views.trace.viewer.page import page
from cli.views.trace.viewer.tree import build_trace
from trace_spans import T0_NS, span, trace_id

EVIL = [
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "--></title></details></main><!--",
    "{{7*7}} &lt;b&gt; &amp;",
]


class Reader(HTMLParser):
    """Collects the elements, the texts, and the contents of scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.code: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self.open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "each element is closed in its place"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.code:
            self.code[self.open[-1]].append(data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def evil_page(text: str) -> str:
    event, link = SpanEvent(text, T0_NS, {text: text}), SpanLink(trace_id(2), "f" * 16, {text: [text]})
    fields = {"name": text, "service": text, "status": text, "kind": text, "resource": {text: text}}
    root = span(1, failed=True, attributes={text: text, "list": [text]}, events=(event,), links=(link,), **fields)
    return page(build_trace([root, span(2, parent=1, at_ms=50)]), text)


@pytest.mark.parametrize("text", EVIL)
def test_text_of_a_span_stays_text(text: str) -> None:
    harmless, evil = Reader(evil_page("harmless")), Reader(evil_page(text))
    assert [name for name, _ in evil.elements] == [name for name, _ in harmless.elements]
    assert evil.code == harmless.code
    assert [attributes.keys() for _, attributes in evil.elements] == [each.keys() for _, each in harmless.elements]
    assert evil.text.count(text) == harmless.text.count("harmless") > 10
    for _, attributes in evil.elements:
        assert not any(text in (value or "") for value in attributes.values())


def test_the_policy_allows_the_one_script_and_no_request() -> None:
    document = Reader(page(build_trace([span(1)]), ""))
    (script,) = document.code["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (
        each["content"] for each in document.all("meta") if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"


def test_nothing_is_loaded_from_anywhere() -> None:
    text = page(build_trace([span(1), span(2, parent=1, at_ms=50)]), "id")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|\bsrc=", text)
    assert [each["href"] for each in Reader(text).all("link")] == ["data:,"]


def test_every_span_is_a_row_that_opens_by_keyboard_and_shows_all_its_data() -> None:
    event, link = SpanEvent("retry", T0_NS, {"attempt": 2}), SpanLink(trace_id(2), "f" * 16, {})
    child = span(2, parent=1, at_ms=50, attributes={"qiki.tick": 7}, events=(event,), links=(link,), omitted=4)
    document = Reader(page(build_trace([span(1), child], {(trace_id(1), f"{2:016x}")}), "7"))
    assert len(document.all("details")) == len(document.all("summary")) == 2
    assert [each["class"] for each in document.all("details")] == ["", "matched"]
    for text in (
        "qiki.tick7",
        "retry",
        "attempt2",
        trace_id(2),
        "f" * 16,
        "49.0 ms",
        "omitted4",
        "found by 7",
        "1 link",
    ):
        assert text in document.text, text


def test_an_error_is_marked_with_its_description() -> None:
    document = Reader(page(build_trace([span(1, failed=True, status="no space")]), ""))
    assert document.all("details")[0]["class"] == "bad"
    assert "errors: 1" in document.text
    assert "error: no space" in document.text


def test_colours_follow_the_readers_preference() -> None:
    (style,) = Reader(page(build_trace([span(1)]), "")).code["style"]
    assert "prefers-color-scheme: dark" in style
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", style)) - {"--colour", "--depth", "--gaps"}
    light, dark = (set(re.findall(r"(--[a-z0-9-]+):", part)) for part in re.findall(r":root \{([^}]*)\}", style))
    assert used <= light == dark
