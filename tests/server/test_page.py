"""The web page in a real browser: upload a book, ask, follow a citation, look at the evidence."""

import os
import tempfile
import unittest

from browsing import open_browser
from serving import FACTS, QUESTION, Server, ServerTest, book_path, need_packages, wait_until

HOSTILE = "<img src=x onerror=document.title='owned'>"
# Where screenshots go, for a person to look at; docs/ holds some.
PICTURES = os.environ.get("S3ATTN_SCREENSHOTS", "")


class Page(ServerTest):
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
        page.on("request", lambda r: None if r.url.startswith(self.server.url)
                else self.problems.append("another host: " + r.url))
        page.goto(self.server.url)
        page.wait_for_selector("html[data-ready]")
        return page

    def picture(self, page, name):
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}.png")

    def ask(self, page, question):
        before = page.locator(".meta").count()
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.locator(".meta").nth(before).wait_for()
        return page.locator("article").last

    def test_1_empty_store_says_what_to_do(self):
        page = self.page()
        self.assertIn("Add documents", page.inner_text("#empty"))
        self.assertIn("s3attn index", page.inner_text("#empty"))
        self.picture(page, "empty")
        self.assertEqual(self.problems, [])

    def test_2_upload_ask_and_follow_the_citation_to_the_cited_bytes(self):
        page = self.page()
        book = self.folder + "/book.md"
        source = (FACTS.encode() + b"\n" + book_path().read_bytes()[20_000:60_000])
        source = source[:source.rfind(b"\n\n")] + "\n\nCafé Zoë, “naïve”.\n".encode()
        with open(book, "wb") as file:
            file.write(source)
        page.set_input_files("#files", book)
        page.wait_for_selector("#jobs progress")
        wait_until(lambda: "tokens/s" in page.inner_text("#jobs")
                   or page.locator("#documents li").count(), what="progress")
        self.picture(page, "upload")
        page.wait_for_selector("#jobs li", state="detached")
        self.assertIn("book.md", page.inner_text("#documents"))
        article = self.ask(page, QUESTION)
        self.assertIn("Solberg", article.locator(".answer").inner_text())
        self.assertEqual(article.locator(".strip canvas").count(), 1)
        article.locator(".answer .cite").first.click()
        page.wait_for_selector("#text mark .hit")
        place = page.inner_text("#place")
        begin, end = place.split("bytes ")[1].split("–")
        cited = source[int(begin):int(end)].decode()
        self.assertEqual(page.locator("#text mark").evaluate("e => e.textContent"), cited)
        self.assertIn("Solberg", cited)
        box = page.locator("#text").inner_text()
        self.assertIn("Arctic terns", box)  # a neighbour can be read
        shown = page.evaluate("""() => {
            const mark = document.querySelector('#text mark').getBoundingClientRect();
            const box = document.querySelector('#text').getBoundingClientRect();
            return mark.bottom > box.top && mark.top < box.bottom; }""")
        self.assertTrue(shown)
        self.picture(page, "light")
        # Why: one question token's attention, by head.
        rows = page.locator("#links tbody tr")
        page.get_by_role("group", name="Question tokens").get_by_role("button").nth(3).click()
        self.assertIn(" lighthouse", {row.split("\t")[0] for row in rows.all_inner_texts()} |
                      {" " + row.split("\t")[0].strip() for row in rows.all_inner_texts()})
        self.assertRegex(page.inner_text("#shares"), r"\d+ % came from attention and \d")
        page.click(".strip canvas", position={"x": 200, "y": 10})  # anywhere in the document
        page.wait_for_selector("#text [data-here]")
        page.keyboard.press("Escape")
        self.assertTrue(page.locator("#source").is_hidden())
        self.assertEqual(self.problems, [])

    def test_3_hostile_names_and_texts_are_text(self):
        self.server.upload("%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'owned'%3E.txt",
                           f"The password of {HOSTILE} is swordfish, says <script>"
                           "document.title='owned'</script> the guard of the northern gate.")
        page = self.page()
        self.assertIn(HOSTILE, page.inner_text("#documents"))
        self.ask(page, "What is the password of the northern gate?")
        page.locator(".sources .where", has_text="onerror").first.click()
        page.wait_for_selector("#text mark")
        self.assertIn(HOSTILE, page.inner_text("#text mark"))
        self.ask(page, HOSTILE + " who?")
        self.assertEqual(page.locator("img, main script, #source script").count(), 0)
        self.assertEqual(page.title(), "s3attn")
        self.assertEqual(self.problems, [])

    def test_4_dark_narrow_and_by_keyboard(self):
        page = self.page(390, 800, color_scheme="dark")
        self.assertEqual(page.evaluate("document.documentElement.dataset.theme"), "dark")
        self.assertEqual(page.evaluate("document.activeElement.id"), "question")
        page.keyboard.type(QUESTION)
        page.keyboard.press("Enter")
        page.wait_for_selector(".meta")
        width = page.evaluate("document.documentElement.scrollWidth")
        self.assertLessEqual(width, 390)  # nothing sticks out
        self.picture(page, "phone-answer")
        page.locator(".answer .cite").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#text mark .hit")
        self.assertEqual(page.evaluate("document.activeElement.id"), "source-title")
        self.picture(page, "phone-source")
        page.keyboard.press("Escape")
        self.assertTrue(page.evaluate("document.activeElement.classList.contains('cite')"))
        nameless = page.evaluate("""() => [...document.querySelectorAll(
            'button, input, select, textarea, canvas, progress, [role]')].filter((e) =>
            !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length ||
              e.getAttribute('aria-labelledby') || e.id === 'status')).map((e) => e.outerHTML)""")
        self.assertEqual(nameless, [])
        page.click("#theme")
        self.assertEqual(page.evaluate("document.documentElement.dataset.theme"), "light")
        self.assertEqual(self.problems, [])

    def files(self, count, text="A note about tea, number {}."):
        return [{"name": f"note-{i}.txt", "mimeType": "text/plain",
                 "buffer": text.format(i).encode()} for i in range(count)]

    def test_5_many_files_wait_for_room_and_what_fails_can_be_tried_again(self):
        page = self.page()
        refused = {"busy": 0, "broken": 0}

        def answer(route):
            """The server has no room twice, and the connection breaks once."""
            if "note-3" in route.request.url and refused["busy"] < 2:
                refused["busy"] += 1
                route.fulfill(status=503, headers={"Retry-After": "1"},
                              json={"error": {"message": "too many wait"}})
            elif "note-5" in route.request.url and not refused["broken"]:
                refused["broken"] = 1
                route.abort()
            else:
                route.continue_()

        page.route("**/v1/documents?name=*", answer)
        page.set_input_files("#files", self.files(27) + [
            {"name": "picture.txt", "mimeType": "text/plain",
             "buffer": b"\x89PNG\r\n\x1a\n" + bytes(100)}])
        page.wait_for_function("() => document.querySelectorAll('#jobs li').length === 0")
        self.assertEqual(refused, {"busy": 2, "broken": 1})
        self.assertIn("2 documents were not taken, of 28", page.inner_text("#failed"))
        rows = page.locator("#failed-list li").all_inner_texts()
        self.assertEqual(sorted(row.split(":")[0] for row in rows), ["note-5.txt", "picture.txt"])
        page.click("#retry")
        page.wait_for_function("() => document.querySelectorAll('#jobs li').length === 0 && "
                               "!document.querySelector('#failed').hidden")
        self.assertIn("1 document was not taken", page.inner_text("#failed"))
        self.assertIn("png", page.inner_text("#failed-list").lower())
        page.click("#dismiss")
        self.assertTrue(page.locator("#failed").is_hidden())
        names = [d["name"] for d in self.server.get("/v1/documents")[2]["data"]]
        self.assertEqual(len([name for name in names if name.startswith("note-")]), 27)

    def test_6_cancel_of_one_that_is_read_and_of_one_that_waits(self):
        page = self.page()
        book = book_path().read_bytes()[:200_000]
        page.set_input_files("#files", [
            {"name": "long.txt", "mimeType": "text/plain", "buffer": book},
            {"name": "later.txt", "mimeType": "text/plain", "buffer": b"Later, a note on rain."}])
        page.wait_for_function("() => [...document.querySelectorAll('#jobs small')]"
                               ".filter((e) => /reading|waiting$/.test(e.textContent)).length === 2")
        page.get_by_role("button", name="Cancel later.txt").click()
        page.get_by_role("button", name="Cancel long.txt").click()
        page.wait_for_function("() => document.querySelectorAll('#jobs li').length === 0")
        self.assertTrue(page.locator("#failed").is_hidden())
        names = [d["name"] for d in self.server.get("/v1/documents")[2]["data"]]
        self.assertFalse({"long.txt", "later.txt"} & set(names))
        self.assertEqual(self.problems, [])

    def test_7_stop_button_and_errors(self):
        page = self.page()
        page.fill("#question", "Tell everything about the lighthouse, the terns and the bakery.")
        page.click("#send")
        page.click("#stop")
        wait_until(lambda: page.inner_text("#status") == "Stopped.", what="the end")
        page.route("**/v1/chat/completions", lambda route: route.fulfill(
            status=503, json={"error": {"message": "the queue is full"}}))
        page.fill("#question", "Who?")
        page.click("#send")
        wait_until(lambda: page.inner_text("#status") == "the queue is full", what="the error")


if __name__ == "__main__":
    unittest.main()
