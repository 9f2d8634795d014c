"""The source beside an answer: pages of PDFs, tables, headings, text from right to left."""

import unittest

from browsing import PageTest
from serving import need_packages, pdf_of

ARABIC = """\
بنى المهندس كريم حداد منارة فاردن في عام 1881. تقف المنارة على صخرة من الجرانيت.

يبيع المخبز في الميناء خبز الجاودار للصيادين الذين يذهبون إلى البحر كل صباح.
"""
PRICES = """\
# Prices

Tickets of the ferry.

| City | Year | Price |
|------|-----:|-------|
| Lyon | 2019 | 12.50 |
| Oslo | 2020 | 30 \\| 31 |

That is all.
"""


class Source(PageTest):
    def open_document(self, page, name):
        page.locator("#documents .name", has_text=name).click()

    def test_pages_of_a_pdf_with_the_cited_words_marked(self):
        self.server.upload("lights.pdf", pdf_of(
            "The harbour has a bakery.\nIt sells bread of rye.",
            "The lighthouse at Varden\nwas built by Ingrid Solberg.\nIt is red."))
        page = self.page()
        article = self.ask(page, "Who built the lighthouse at Varden?")
        article.locator(".where", has_text="lights.pdf").first.click()
        page.locator(".sheet .marked").first.wait_for()
        self.assertEqual(page.inner_text("#page-number"), "Page 2 of 2")
        image = page.locator(".sheet img")
        self.assertIn("Solberg", image.get_attribute("alt"))
        self.assertTrue(image.evaluate("e => e.decode().then(() => e.naturalWidth >= 400)"))
        # The marks lie on the words: the second line of the page is marked, its margin is not.
        places = page.locator(".sheet .marked").evaluate_all("""(all) => all.map((e) => {
            const sheet = e.parentElement.getBoundingClientRect(), box = e.getBoundingClientRect();
            return [(box.left - sheet.left) / sheet.width * 400,
                    (box.top + box.height / 2 - sheet.top) / sheet.height * 200]; })""")
        self.assertTrue(any(abs(x - 20) < 3 and abs(y - 40) < 8 for x, y in places), places)
        self.assertTrue(all(x > 15 for x, _ in places), places)
        page.click("#page-before")
        page.wait_for_function("() => document.querySelector('#page-number').textContent "
                               "=== 'Page 1 of 2'")
        self.assertTrue(page.locator("#page-before").is_disabled())
        page.click("#as-text")
        page.wait_for_selector("#text mark")
        self.assertIn("Solberg", page.inner_text("#text mark"))
        self.assertTrue(page.locator("#page-box").is_hidden())
        self.picture(page, "pdf-text")
        page.keyboard.press("Escape")
        self.assertEqual(self.problems, [])

    def test_a_pdf_whose_file_has_gone_is_shown_as_text(self):
        self.server.upload("gone.pdf", pdf_of("The bridge of Tana was painted green."))
        page = self.page()
        page.route("**/pages/**", lambda route: route.fulfill(
            status=404, json={"error": {"message": "the file of this document is not there"}}))
        self.open_document(page, "gone.pdf")
        page.wait_for_selector("#text [data-here]")
        self.assertIn("painted green", page.inner_text("#text"))
        self.assertIn("is not there", page.inner_text("#place"))
        self.assertTrue(page.locator("#as-box").is_hidden())

    def test_tables_are_tables_and_their_text_is_the_text(self):
        self.server.upload("prices.md", PRICES)
        self.server.upload("prices.csv", 'City;Year;Price\nLyon;2019;"12;50 ""net"""\nOslo;2020;30\n')
        self.server.upload("prices.html", "<h1>Prices</h1><table><tr><th>City<th>Year<tr><td>Lyon"
                                          "<td>2019<tr><td>Oslo<td>2020</table>")
        page = self.page()
        for name, cells in (("prices.md", ["Lyon", "2019", "12.50", "Oslo", "2020", "30 \\| 31"]),
                            ("prices.csv", ["Lyon", "2019", '12;50 "net"', "Oslo", "2020", "30"]),
                            ("prices.html", ["Lyon", "2019", "Oslo", "2020"])):
            self.open_document(page, name)
            page.locator("#source-title", has_text=name).wait_for()
            page.locator("#text tr").nth(2).wait_for()
            shown = page.locator("#text th, #text td").evaluate_all(
                "(all) => all.map((e) => e.innerText.trim())")
            self.assertEqual(shown[-len(cells):], cells, name)
            self.assertIn("City", shown)
        article = self.ask(page, "What was the price in Lyon in 2019?")
        for more in article.locator(".found summary").all():
            more.click()
        article.locator(".where", has_text="prices.md").first.click()
        page.wait_for_selector("#text mark table")
        cited = page.locator("#text mark").evaluate("e => e.textContent")
        self.assertIn(cited, PRICES)
        self.assertIn("| Lyon | 2019 | 12.50 |", cited)
        self.assertGreater(page.locator("#text mark .hit").count(), 0)
        self.assertEqual(page.locator("#text mark").evaluate("e => e.textContent"), cited)
        # The heading above it stands over it.
        self.assertEqual(page.locator("#path li").all_text_contents()[-1], "Prices")
        self.picture(page, "table")
        self.assertEqual(self.problems, [])

    def test_text_from_right_to_left(self):
        self.server.upload("manara.txt", ARABIC)
        page = self.page()
        article = self.ask(page, "من بنى منارة فاردن؟")
        directions = page.evaluate("""() => Object.fromEntries(
            ['h3', '.answer', '.quote blockquote'].map((what) => [what,
              getComputedStyle(document.querySelector('article ' + what)).direction]))""")
        self.assertEqual(directions["h3"], "rtl")
        self.assertEqual(page.locator("#question").get_attribute("dir"), "auto")
        article.locator(".where", has_text="manara.txt").first.click()
        page.wait_for_selector("#text mark")
        mark = page.locator("#text mark").evaluate("e => e.textContent")
        self.assertIn(mark, ARABIC)
        # A line of Arabic begins at the right edge.
        gap = page.evaluate("""() => {
            const range = document.createRange();
            range.selectNodeContents(document.querySelector('#text mark'));
            const text = range.getClientRects()[0];
            const box = document.querySelector('#text').getBoundingClientRect();
            return [text.left - box.left, box.right - text.right]; }""")
        self.assertLess(gap[1], 30)
        self.picture(page, "right-to-left")
        self.assertEqual(self.problems, [])

    def test_axe_finds_nothing_beside_a_page_and_a_table(self):
        need_packages("axe_playwright_python")
        from axe_playwright_python.sync_playwright import Axe
        self.server.upload("mill.pdf", pdf_of("A page about a mill at Orsk."))
        self.server.upload("two.md", "| Bird | Nests |\n| --- | --- |\n| Tern | 41 |\n")
        for theme in ("light", "dark"):
            for width in (1280, 320):
                page = self.page(width, 800, color_scheme=theme)
                for name, there in (("mill.pdf", ".sheet img"), ("two.md", "#text table")):
                    self.open_document(page, name)
                    page.wait_for_selector(there)
                    found = Axe().run(page).response["violations"]
                    self.assertEqual([(one["id"], [node["html"][:120] for node in one["nodes"]])
                                      for one in found], [], (theme, width, name))
                    self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"),
                                         width)
                    page.keyboard.press("Escape")


if __name__ == "__main__":
    unittest.main()
