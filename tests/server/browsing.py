"""A browser for tests of the page."""

import os
import shutil
import tempfile
import unittest

from serving import Server, ServerTest, need_packages

BROWSERS = ("chromium-headless-shell", "chromium")
# Where screenshots go, for a person to look at; docs/ holds some (scripts/screenshots.py).
PICTURES = os.environ.get("S3ATTN_SCREENSHOTS", "")


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


class PageTest(ServerTest):
    """A server with an empty store, and pages of it in a browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        need_packages("playwright")
        cls.browser = open_browser(cls)
        folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.server = Server(cls.folder + "/notes.s3", "--commit-tokens", 2048)
        cls.addClassCleanup(cls.server.stop)

    def page(self, width=1280, height=800, **options):
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        self.addCleanup(context.close)
        page = context.new_page()
        page.set_default_timeout(120_000)
        self.problems = []
        page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda r: None if r.url.removeprefix("blob:").startswith(self.server.url)
                else self.problems.append("another host: " + r.url))
        page.goto(self.server.url)
        page.wait_for_selector("html[data-ready]")
        return page

    def picture(self, page, name):
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}.png")

    def ask(self, page, question):
        before = page.locator(".again").count()
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.locator(".again").nth(before).wait_for()
        return page.locator("article").last
