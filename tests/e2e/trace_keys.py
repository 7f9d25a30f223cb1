"""Check of the page of `qiki trace --html` in a browser: its keys, its buttons, and that it loads nothing."""

from typing import Any

from playwright.sync_api import Browser, Page

_CHOSEN = """() => Array.from(document.querySelectorAll("main summary")).indexOf(document.activeElement)"""
_OPEN = """() => Array.from(document.querySelectorAll("main details")).map((row) => row.open)"""


def check_page(page: Page, address: str, event_id: str) -> None:
    """Try every key and button. At the end the span that was looked for is chosen and open."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("console", lambda message: seen.append(message.text))
    page.goto(address)
    assert event_id in page.inner_text("header"), "the page does not name the id that was looked for"
    first, rows = chosen(page), len(opened(page))
    assert rows > 3, f"a trace of {rows} spans"
    assert page.locator("main .matched > summary").first.evaluate("(row) => row === document.activeElement"), (
        "the first span that holds the id is not chosen"
    )
    check_moves(page, first, rows)
    check_opening(page, rows)
    press(page, "Home", *["ArrowDown"] * first)
    assert chosen(page) == first, "the arrow does not lead back to the first choice"
    press(page, "ArrowRight")
    assert event_id in page.locator("main details[open]").inner_text(), "the open span does not show the id"
    assert [url for url in seen if url != address and not url.startswith("data:")] == [], f"it loads or reports: {seen}"


def check_moves(page: Page, first: int, rows: int) -> None:
    """Try the keys that choose a span; at both ends they stay."""
    for key, expected in (
        ("ArrowUp", max(first - 1, 0)),
        ("Home", 0),
        ("ArrowUp", 0),
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("End", rows - 1),
        ("ArrowDown", rows - 1),
        ("ArrowUp", rows - 2),
    ):
        press(page, key)
        assert chosen(page) == expected, f"after {key} span {chosen(page)} is chosen, not {expected}"
    assert not any(opened(page)), "choosing opens a span"


def check_opening(page: Page, rows: int) -> None:
    """Try the keys and buttons that open and close spans."""
    for key, expected in (("ArrowRight", True), ("ArrowRight", True), ("ArrowLeft", False), ("Enter", True)):
        press(page, key)
        state = opened(page)
        assert state.pop(chosen(page)) is expected, f"{key} does not leave the span {'open' if expected else 'closed'}"
        assert not any(state), f"{key} opens another span"
    page.click("#open")
    assert opened(page) == [True] * rows, "not every span is open"
    page.click("#close")
    assert opened(page) == [False] * rows, "not every span is closed"
    press(page, "Home", "Control+ArrowDown")
    assert chosen(page) == 0, "a key with Control belongs to the browser"


def check_without_script(browser: Browser, address: str) -> None:
    """Try Tab and Enter, which choose and open spans where scripts are forbidden."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    press(page, "Tab", "Tab", "Tab", "Enter")  # past the two buttons
    assert page.locator("main details").first.get_attribute("open") is not None, "Enter does not open the first span"
    assert page.locator("main details[open]").count() == 1, "Enter opens another span"
    context.close()


def press(page: Page, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        page.keyboard.press(key)


def chosen(page: Page) -> int:
    """Return the index of the span that has the focus, -1 where none has."""
    index: int = page.evaluate(_CHOSEN)
    return index


def opened(page: Page) -> list[Any]:
    """Return of each span whether it is open."""
    found: list[Any] = page.evaluate(_OPEN)
    return found
