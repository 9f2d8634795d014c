"""Documents on the page: whole folders, and asking again in some of the documents only."""

import json
import unittest

from browsing import PageTest

# What a browser gives of a folder that is dropped, in two steps, as it does.
DROP = """() => {
    const file = (path) => ({ isFile: true, name: path.split('/').pop(), fullPath: '/' + path,
        file: (take) => take(new File([`A note called ${path}.`], path.split('/').pop())) });
    const folder = (path, steps) => ({ isDirectory: true, name: path.split('/').pop(),
        createReader: () => ({ readEntries: (take) => take(steps.shift() || []) }) });
    const root = folder('trip', [[file('trip/a.txt'), folder('trip/far', [[file('trip/far/b.txt')]])],
                                 [file('trip/c.txt'), file('trip/.hidden')]]);
    const event = new Event('drop', { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], files: [],
        items: [{ webkitGetAsEntry: () => root }] } });
    document.body.dispatchEvent(event);
}"""


class Documents(PageTest):
    def test_4_an_answer_that_was_cut_or_withheld_says_so_where_it_ends(self):
        page = self.page()
        bodies = []
        page.route("**/v1/chat/completions", lambda route: route.fulfill(
            content_type="text/event-stream", body=bodies[-1]))
        place = {"name": "a.txt", "store": "notes", "doc_id": 1, "offsets": "source",
                 "byte_begin": 0, "byte_end": 9, "line_begin": 1, "line_end": 1, "text": "A note."}
        for fields, words in (({"cut": "tokens"}, "as long as it may be"),
                              ({"cut": "sentences"}, "no more sentences"),
                              ({"cut": "repetition"}, "repeat itself"),
                              ({"withheld": True}, "withheld"),
                              ({"evidence_found": False}, "no evidence"),
                              ({"unfounded": [{"text": "1999"}]}, "Nowhere in the passages: 1999")):
            chunks = [{"choices": [{"delta": {"content": "So."}}],
                       "evidence": {"spans": [place], "quote": None}},
                      {"choices": [{"delta": {}, "finish_reason": "stop"}], "numbers": [1],
                       "citations": [], "evidence_found": True, "retrieval_question": "Who?",
                       "timings_ms": {"retrieval": 1, "first_token": 1}, **fields}]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
            bodies.append(body + "data: [DONE]\n\n")
            article = self.ask(page, "Who?")
            self.assertIn(words, article.locator(".note").inner_text())
            below = article.evaluate("(e) => e.querySelector('.answer').nextElementSibling.className")
            self.assertEqual(below, "note")

    def names(self):
        return sorted(d["name"] for d in self.server.get("/v1/documents")[2]["data"])

    def wait_until_read(self, page, count):
        page.wait_for_function(
            "(n) => document.querySelectorAll('#documents .name').length >= n"
            " && document.querySelectorAll('#jobs li').length === 0", arg=count)

    def test_1_a_folder_is_dropped(self):
        page = self.page()
        page.evaluate(DROP)
        self.wait_until_read(page, 3)
        self.assertEqual(self.names(), ["trip – a.txt", "trip – c.txt", "trip – far – b.txt"])
        folders = page.locator("#documents .folder").all_text_contents()
        self.assertEqual(folders, ["trip/", "trip – far/"])
        self.assertEqual(page.locator("#documents .name").all_text_contents(),
                         ["a.txt", "c.txt", "b.txt"])
        self.assertEqual(self.problems, [])

    def test_2_a_folder_is_picked(self):
        folder = self.directory / "reports"
        (folder / "old").mkdir(parents=True)
        (folder / "new.txt").write_text("The ferry leaves at nine.")
        (folder / "old" / "first.txt").write_text("The ferry left at eight.")
        (folder / ".hidden").write_text("No.")
        page = self.page()
        page.set_input_files("#folder", folder)
        self.wait_until_read(page, 5)
        self.assertTrue({"reports – new.txt", "reports – old – first.txt"} <= set(self.names()))
        self.assertFalse(any("hidden" in name for name in self.names()))

    def test_3_asked_again_in_some_documents_only(self):
        page = self.page()
        asked = []
        page.on("request", lambda r: asked.append(json.loads(r.post_data))
                if r.url.endswith("/completions") else None)
        self.ask(page, "When does the ferry leave?")
        page.click(".again")
        page.fill("#again-in", "*first.txt")
        page.fill("#again-type", "text, pdf")
        page.fill("#again-after", "2001")
        page.click("#again-dialog [value=ask]")
        page.locator(".pair .again").nth(1).wait_for()
        self.assertEqual(asked[1]["filter"],
                         {"in": ["*first.txt"], "type": ["text", "pdf"], "after": "2001"})
        self.assertNotIn("filter", asked[0])
        again = page.locator(".pair article").nth(1)
        self.assertIn("only *first.txt", again.inner_text())
        self.assertEqual({name.split(" – ")[-1] for name in
                          again.locator(".where bdi").all_text_contents()}, {"first.txt"})
        # A filter that leaves nothing says so.
        page.locator(".again").first.click()
        page.fill("#again-in", "*.nothing")
        page.click("#again-dialog [value=ask]")
        page.locator("#status.bad").wait_for()
        self.assertRegex(page.inner_text("#status"), "filter|nothing|no document")


if __name__ == "__main__":
    unittest.main()
