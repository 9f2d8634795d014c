#!/usr/bin/env python3
"""Takes the pictures of the page that docs/ shows: docs/serve-*.png, from a running server.

Makes a PDF of the example book's beginning with Chromium, has it read, asks, and looks at the page on
a desktop in both themes, on a phone, and by keyboard. Where Python has Pillow, colours are counted
down, which makes the pictures a third as large. Some minutes.

usage: PYTHONPATH="$(scripts/setup.sh --print-test-packages)" scripts/screenshots.py [--build DIR]
                                                            [--model GGUF] [--to DIR]
"""
import argparse
import html
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "examples/the_phantom_of_the_opera.md"
QUESTION = "What does Madame Giry's box keep of the ghost?"
TABLE = """# The boxes of the Opera

| Box | Tier | Francs a night |
|-----|------|---------------:|
| Box Five | grand tier | 20 |
| Box Seven | grand tier | 18 |
| Box Two | second tier | 9 |
"""


def make_pdf(browser, path):
    blocks = BOOK.read_text("utf-8")[:40_000].split("\n\n")
    body = "".join(f"<h2>{html.escape(b.lstrip('# '))}</h2>" if b.startswith("#")
                   else f"<p>{html.escape(b)}</p>" for b in blocks)
    source = path.with_suffix(".html")
    source.write_text("<!doctype html><meta charset=utf-8><title>The Phantom of the Opera</title>"
                      f"<style>body{{font:13pt/1.5 serif}}</style>{body}", "utf-8")
    subprocess.run([browser, "--no-sandbox", "--no-pdf-header-footer", f"--print-to-pdf={path}",
                    str(source)], check=True, stderr=subprocess.DEVNULL)


def smaller(path):
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def ask(page, question):
    before = page.locator(".again").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.locator(".again").nth(before).wait_for()
    return page.locator("article").last


class Camera:
    def __init__(self, browser, url, to):
        self.browser, self.url, self.to = browser, url, to

    def open(self, width, height, **options):
        page = self.browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(120_000)
        page.goto(self.url)
        page.wait_for_selector("html[data-ready]")
        return page

    def take(self, page, name):
        page.wait_for_timeout(400)
        path = self.to / f"serve-{name}.png"
        page.screenshot(path=path)
        smaller(path)
        print(path, path.stat().st_size)


def take_all(camera):
    page = camera.open(1280, 800)
    article = ask(page, QUESTION)
    article.locator(".where", has_text="opera.pdf").first.click()
    page.locator(".sheet .marked").first.wait_for()
    camera.take(page, "page")
    page.keyboard.press("Escape")
    page.locator(".answer .cite, .sources .cite").first.focus()
    page.keyboard.press("Tab")
    camera.take(page, "keyboard")
    page.close()
    page = camera.open(1280, 800, color_scheme="dark")
    article = ask(page, "What does Box Five cost a night?")
    for more in article.locator(".found summary").all():
        more.click()
    article.locator(".where", has_text="boxes.md").first.click()
    page.wait_for_selector("#text mark table")
    page.click("#why > summary")
    camera.take(page, "dark")
    page.close()
    page = camera.open(390, 800, color_scheme="light")
    ask(page, QUESTION)
    camera.take(page, "phone")
    page.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--model", default=os.path.expanduser(
        "~/.cache/s3attn/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--to", type=pathlib.Path, default=ROOT / "docs")
    options = parser.parse_args()
    os.environ.setdefault("S3ATTN_PROGRAM", str(ROOT / options.build / "s3attn"))
    os.environ.setdefault("S3ATTN_TEST_MODEL", options.model)
    sys.path.insert(0, str(ROOT / "tests/server"))
    from playwright.sync_api import sync_playwright
    from serving import Server
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with tempfile.TemporaryDirectory(prefix="s3attn-pictures-") as folder:
        pdf = pathlib.Path(folder) / "opera.pdf"
        make_pdf(chromium, pdf)
        server = Server(folder + "/opera.s3")
        try:
            server.upload("opera.pdf", pdf.read_bytes())
            server.upload("boxes.md", TABLE)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium,
                                                     args=["--no-sandbox"])
                take_all(Camera(browser, server.url, options.to))
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
