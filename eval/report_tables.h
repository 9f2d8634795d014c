// The tables of a run: once as rows of cells, printed as HTML or as Markdown.
#pragma once

#include <string>
#include <vector>

#include "eval/report.h"

namespace s3attn::eval {

struct Table {
    std::string title, note;
    std::vector<std::string> head;
    struct Cell {
        std::string text;
        bool strong = false;
    };
    std::vector<std::vector<Cell>> rows;  // the first column is text, the others are figures
    bool folded = false;                  // of minor interest
};

// Figures by group, the comparison with the baseline, costs, and counts; what a record lacks makes
// no table.
std::vector<Table> tables_of(const Json& document);

std::string html_table(const Table& table);
std::string markdown_table(const Table& table);

}  // namespace s3attn::eval
