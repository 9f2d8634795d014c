"""The web page in a real browser: upload a book, ask, follow a citation, look at the evidence."""

import json
import unittest

from browsing import PageTest
from serving import FACTS, QUESTION, Server, book_path, need_packages, wait_until

HOSTILE = "<img src=x onerror=document.title='owned'>"


class Page(PageTest):
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
        # Why: in words, and one click further one question token's attention, by head.
        self.assertFalse(page.locator("#shares").is_visible())
        page.click("#why > summary")
        self.assertRegex(page.inner_text("#shares"), "It was found (mostly|as much)")
        page.click("#numbers > summary")
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
        page.wait_for_selector(".again")
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
              e.getAttribute('aria-labelledby') || e.getAttribute('role') === 'status'))
              .map((e) => e.outerHTML)""")
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

    def test_8_an_example_is_one_click_away(self):
        server = Server(self.folder + "/empty.s3")
        self.addCleanup(server.stop)
        page = self.page()
        page.goto(server.url)
        page.wait_for_selector("html[data-ready]")
        self.assertEqual(page.locator("#empty li").count(), 3)
        page.click("#example")
        page.get_by_role("button", name="example.txt", exact=True).wait_for()
        page.press("#question", "Enter")
        page.locator(".again").wait_for()
        self.assertIn("Solberg", page.inner_text("article"))

    @staticmethod
    def stream(answer, numbers, citations, spans):
        """A completion as the server streams it."""
        heat = {"doc_id": 1, "store": "notes", "bytes": 900, "units": 3, "mass": 1,
                "s3": [0.2, 0.7, 0.1], "bm25": [0, 0, 0]}
        chunks = [{"choices": [{"delta": {"content": ""}}],
                   "evidence": {"spans": spans, "quote": None},
                   "attention": {"documents": [heat], "spans": [{} for _ in spans],
                                 "question_tokens": [], "heads": []}},
                  {"choices": [{"delta": {"content": answer}}]},
                  {"choices": [{"delta": {}, "finish_reason": "length"}], "numbers": numbers,
                   "citations": [{"number": n} for n in citations], "evidence_found": True,
                   "timings_ms": {"retrieval": 20, "first_token": 900},
                   "retrieval_question": "Who?"}]
        return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"

    @staticmethod
    def spans(count):
        return [{"name": f"part-{i}.txt", "store": "notes", "doc_id": 1, "offsets": "source",
                 "byte_begin": 300 * i, "byte_end": 300 * i + 200, "line_begin": i + 1,
                 "line_end": i + 1, "text": f"Text {i}."} for i in range(count)]

    def test_9_citations_count_from_1_and_conversations_stay(self):
        page = self.page()
        page.route("**/v1/chat/completions", lambda route: route.fulfill(
            content_type="text/event-stream",
            body=self.stream("It was she [3], they say [1, 3].", [1, 3, 2], [3], self.spans(3))))
        article = self.ask(page, "Who?")

        def check(article):
            self.assertEqual(article.locator(".answer .cite").all_inner_texts(), ["1", "2", "1"])
            self.assertIn("It was she 1, they say 21.",
                          article.locator(".answer").evaluate("e => e.textContent"))
            self.assertIn("part-1.txt", article.locator(".sources .where").first.inner_text())
            self.assertIn("cut here", article.locator(".note").inner_text())
            self.assertEqual(article.locator(".strip .pin").all_inner_texts(), ["1", "2"])
        check(article)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        check(page.locator("article"))
        # Once more, side by side.
        page.click(".again")
        page.select_option("#again-method", "bm25")
        page.click("#again-dialog [value=ask]")
        page.locator(".pair .again").nth(1).wait_for()
        self.assertIn("method bm25", page.locator(".pair article").nth(1).inner_text())
        page.reload()
        page.wait_for_selector("html[data-ready]")
        self.assertEqual(page.locator(".pair article").count(), 2)
        # Named, saved, deleted.
        page.once("dialog", lambda dialog: dialog.accept("My talk"))
        page.click("#chat-rename")
        self.assertIn("My talk", page.inner_text("#chat"))
        for button, text in (("#chat-markdown", "[1] part-1.txt"), ("#chat-json", '"question"')):
            with page.expect_download() as download:
                page.click(button)
            with open(download.value.path(), encoding="utf-8") as file:
                self.assertIn(text, file.read())
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("#chat-delete")
        self.assertEqual(page.locator("article").count(), 0)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        self.assertNotIn("My talk", page.inner_text("#chat"))
        self.assertEqual(self.problems, [])

    def test_a_thousand_documents(self):
        documents = [{"store": "notes", "doc_id": i, "name": f"folder {i % 7}/report-{i}.pdf",
                      "path": f"/x/{i}", "format": "pdf", "tokens": i, "complete": i != 5,
                      "missing": i == 6, "indexed_at": f"2026-01-{i % 28 + 1:02}T00:00:00Z"}
                     for i in range(1, 1001)]
        page = self.page()
        page.route("**/v1/documents", lambda route: route.fulfill(json={"data": documents}))
        page.reload()
        page.wait_for_selector("html[data-ready]")
        self.assertEqual(page.locator("#documents .name").count(), 1000)
        self.assertEqual(page.locator("#documents .folder").count(), 7)
        self.assertIn("1,000 documents", page.inner_text("#count"))
        page.fill("#filter", "report-5")
        self.assertIn("of 1,000", page.inner_text("#count"))
        # An item's words are shown with the frame that follows (content-visibility).
        page.fill("#filter", "report-5.")
        page.locator("#documents .bad", has_text="partly read").wait_for()
        page.fill("#filter", "report-6.")
        page.locator("#documents .bad", has_text="not there any more").wait_for()
        page.fill("#filter", "")
        page.select_option("#order", "largest")
        self.assertIn("report-1000", page.locator("#documents .name").first.text_content())

    def test_b_axe_finds_nothing_and_targets_are_large(self):
        need_packages("axe_playwright_python")
        from axe_playwright_python.sync_playwright import Axe
        for theme in ("light", "dark"):
            for width in (1280, 320):
                page = self.page(width, 800, color_scheme=theme)
                page.route("**/v1/chat/completions", lambda route: route.fulfill(
                    content_type="text/event-stream",
                    body=self.stream("So it is [1].", [1, 2], [1], self.spans(2))))
                self.ask(page, "Who?")
                found = Axe().run(page).response["violations"]
                self.assertEqual([(one["id"], [node["html"][:120] for node in one["nodes"]])
                                  for one in found], [], (theme, width))
                small = page.evaluate("""() => [...document.querySelectorAll(
                    'button, select, summary, textarea, .button')].filter((e) => {
                    const box = e.getBoundingClientRect();
                    return box.width && (box.width < 23.9 || box.height < 23.9); })
                    .map((e) => e.outerHTML.slice(0, 120))""")
                self.assertEqual(small, [], (theme, width))
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)


if __name__ == "__main__":
    unittest.main()
