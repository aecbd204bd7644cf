"""A real browser, headless, for pages that a user clicks on."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, Page, expect, sync_playwright

QUIET = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
expect.set_options(timeout=20_000)  # ms; a machine may be busy


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in Chromium: the one that CHROMIUM names, the system's, or Playwright's own (`playwright install
    chromium`). For one test only: while Playwright is open, nothing else in its thread can run asyncio."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        except Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()
