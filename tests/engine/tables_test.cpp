// A question about one row of a table, asked of every format that has tables: the unit found is
// whole rows, with the names of the columns, and the quote is of that row.
#include <gmock/gmock.h>

#include "engine_fixture.h"
#include "text_test_util.h"

namespace s3attn {
namespace {

using testing::HasSubstr;
using Row = std::vector<std::string>;

std::vector<Row> ledger() {
    std::vector<Row> rows = {{"City", "Year", "Paid"}};
    int paid = 4100;
    for (const char* city : {"Arles", "Brest", "Calais", "Dijon", "Lyon", "Metz", "Nantes", "Paris",
                             "Reims", "Toulon"}) {
        for (int year = 2012; year < 2022; ++year) {
            rows.push_back({city, std::to_string(year), std::to_string(paid += 37)});
        }
    }
    return rows;
}

std::string joined(const Row& row, const std::string& before, const std::string& between,
                   const std::string& behind) {
    std::string text = before;
    for (size_t i = 0; i < row.size(); ++i) text += (i > 0 ? between : "") + row[i];
    return text + behind + "\n";
}

std::string html(const std::vector<Row>& rows) {
    std::string text = "<html><body><h1>Dues</h1><table>";
    for (const Row& row : rows) text += joined(row, "<tr><td>", "</td><td>", "</td></tr>");
    return text + "</table></body></html>";
}

std::string markdown(const std::vector<Row>& rows) {
    std::string text = "# Dues\n\n" + joined(rows[0], "| ", " | ", " |") + "|---|---|---|\n";
    for (size_t i = 1; i < rows.size(); ++i) text += joined(rows[i], "| ", " | ", " |");
    return text;
}

std::string csv(const std::vector<Row>& rows) {
    std::string text;
    for (const Row& row : rows) text += joined(row, "", ",", "");
    return text;
}

std::string docx(const std::vector<Row>& rows) {
    std::string body = "<w:tbl>";
    for (const Row& row : rows) {
        body += joined(row, "<w:tr><w:tc><w:p><w:r><w:t>",
                       "</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>",
                       "</w:t></w:r></w:p></w:tc></w:tr>");
    }
    return text_test::docx_bytes(body + "</w:tbl>");
}

std::string xlsx(const std::vector<Row>& rows) {
    std::string sheet;
    for (size_t r = 0; r < rows.size(); ++r) {
        const std::string number = std::to_string(r + 1);
        sheet += "<row r='" + number + "'>";
        for (size_t c = 0; c < rows[r].size(); ++c) {
            sheet += "<c r='" + std::string(1, static_cast<char>('A' + c)) + number +
                     "' t='inlineStr'><is><t>" + rows[r][c] + "</t></is></c>";
        }
        sheet += "</row>";
    }
    return text_test::zip_bytes(
        {{"xl/workbook.xml",
          "<workbook xmlns:r='r'><sheets><sheet name='Dues' r:id='a'/></sheets></workbook>"},
         {"xl/_rels/workbook.xml.rels",
          "<Relationships><Relationship Id='a' "
          "Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet' "
          "Target='worksheets/sheet1.xml'/></Relationships>"},
         {"xl/worksheets/sheet1.xml",
          "<worksheet><sheetData>" + sheet + "</sheetData></worksheet>"}});
}

struct Format {
    const char* file;
    std::string (*bytes)(const std::vector<Row>&);
};

class TablesTest : public EngineTest, public testing::WithParamInterface<Format> {};

TEST_P(TablesTest, WhatDidLyonPayIn2019) {
    const std::vector<Row> rows = ledger();
    Row wanted;
    for (const Row& row : rows) {
        if (row[0] == "Lyon" && row[1] == "2019") wanted = row;
    }
    index({file(GetParam().file, GetParam().bytes(rows)), file("other.txt", kLighthouse)});
    SearchOptions options;
    options.method = "bm25";
    options.quote = true;
    const auto found = engine().search(store(), "What did Lyon pay in 2019?", options);
    ASSERT_TRUE(found.ok()) << found.error().message;
    ASSERT_FALSE(found->spans.empty());
    const Span& best = found->spans[0];
    const std::string shown = best.columns + "\n" + best.text;
    const std::string row = best.text.substr(best.text.find("2019", best.text.find("Lyon")));
    EXPECT_THAT(row.substr(0, row.find('\n')), HasSubstr(wanted[2])) << best.text;
    for (const char* name : {"City", "Year", "Paid"}) EXPECT_THAT(shown, HasSubstr(name));
    EXPECT_LE(best.text.size(), 720u) << "not the whole table";
    ASSERT_TRUE(found->quote.found);
    EXPECT_THAT(found->quote.text, testing::AllOf(HasSubstr("Lyon"), HasSubstr(wanted[2])));
    EXPECT_LE(found->quote.text.size(), 60u) << "a row, not the table: " << found->quote.text;
}

INSTANTIATE_TEST_SUITE_P(Formats, TablesTest,
                         testing::Values(Format{"a.html", html}, Format{"a.md", markdown},
                                         Format{"a.csv", csv}, Format{"a.docx", docx},
                                         Format{"a.xlsx", xlsx}),
                         [](const auto& each) { return std::string(each.param.file + 2); });

}  // namespace
}  // namespace s3attn
