"""A browser for tests of the page."""

import shutil
import unittest

BROWSERS = ("chromium-headless-shell", "chromium")


def open_browser(test):
    """Chromium, closed when the test (or class) ends; the test is skipped where there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise unittest.SkipTest("no Chromium: install Debian's chromium-headless-shell")
    from playwright.sync_api import sync_playwright
    add_cleanup = test.addClassCleanup if isinstance(test, type) else test.addCleanup
    playwright = sync_playwright().start()
    add_cleanup(playwright.stop)
    chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
    add_cleanup(chromium.close)
    return chromium
