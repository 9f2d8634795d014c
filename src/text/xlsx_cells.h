// Values of a workbook's cells as a reader sees them: shared strings, dates, percentages.
#pragma once

#include <cstdint>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace s3attn::text {

class XlsxCells {
  public:
    void read_strings(const pugi::xml_node& table);
    void read_styles(const pugi::xml_node& styles);
    // Days count from 1904, as workbooks of old Macs have it.
    void count_from_1904() { from_1904_ = true; }
    // The text of a `c` element. `*uncomputed` counts formulas without a value.
    std::string text_of(const pugi::xml_node& cell, uint64_t* uncomputed) const;

  private:
    enum class Form : uint8_t { kPlain, kDate, kTime, kDateTime, kPercent };
    static Form form_of(std::string_view code);
    std::string number(const std::string& value, size_t style) const;

    std::vector<std::string> strings_;
    std::vector<Form> forms_;  // by style
    bool from_1904_ = false;
};

// "BC12" -> 54; 0-based; 0 where there is no letter.
uint32_t column_of(std::string_view reference);
// The text of rich text (si, is, text): its runs, without readings.
std::string rich_text(const pugi::xml_node& node);

}  // namespace s3attn::text
