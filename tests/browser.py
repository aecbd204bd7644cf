"""A headless browser for tests of web pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

QUIET = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
VIEW = {"width": 1280, "height": 900}
expect.set_options(timeout=20_000)  # ms; enough for a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser named by CHROMIUM, the system's, or Playwright's (`playwright install chromium`). While it is open,
    its thread cannot run asyncio for anything else."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        except Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in a new browser."""
    with chromium() as browser:
        yield browser.new_page(viewport=VIEW)
