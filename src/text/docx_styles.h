// What a DOCX paragraph gets from its style sheet and numbering lists: automatic clause numbers,
// headings, raised and lowered text.
#pragma once

#include <cstdint>
#include <map>
#include <pugixml.hpp>
#include <string>
#include <unordered_map>
#include <vector>

namespace s3attn::text {

class DocxStyles {
  public:
    // Of styles.xml and numbering.xml; either may be empty.
    void read_styles(const pugi::xml_node& styles);
    void read_numbering(const pugi::xml_node& numbering);

    // The automatic number of the next paragraph ("3.2", "(a)") or bullet, without a space; "" for none.
    // Counts: ask once for each paragraph of the body, in order.
    std::string next_number(const pugi::xml_node& paragraph_properties);
    // 1 the highest, kTitleLevel for titles and subtitles; 0: no heading.
    static constexpr uint8_t kTitleLevel = 255;
    uint8_t heading_level(const pugi::xml_node& paragraph_properties) const;
    // "superscript", "subscript" or "" of a run.
    std::string vertical_place(const pugi::xml_node& run_properties) const;
    static bool is_struck(const pugi::xml_node& run_properties);
    // Lists begin anew: the next part counts by itself.
    void restart() { counts_.clear(), started_.clear(); }

  private:
    static constexpr int kLevels = 9;
    struct Level {
        int64_t start = 1;
        std::string format = "decimal";
        std::string text;    // "%1.%2"
        std::string style;   // of paragraphs, which need not say the level
        bool legal = false;  // all numbers in it are decimal
        int restart = -1;    // the level that restarts this one: 1-based; 0 never; -1 any above
        bool defined = false;
    };
    struct List {
        std::vector<Level> levels = std::vector<Level>(kLevels);
        std::string style_link;  // takes its levels from that numbering style
    };
    struct Number {
        std::string list;               // abstract
        std::map<int, Level> levels;    // replaced here
        std::map<int, int64_t> starts;  // overridden here
    };
    struct Style {
        std::string based_on, number, vertical;
        int level = -1, outline = -1;
    };
    struct Place {
        std::string number;
        int level = 0;
    };
    static Level read_level(const pugi::xml_node& node);
    Place place_of(const pugi::xml_node& paragraph_properties) const;
    const List* list_of(const std::string& id) const;
    Level level_of(const Number& number, int level) const;
    std::string render(const Number& number, int level, const std::vector<int64_t>& counts) const;
    template <class Found>
    void walk_style(const std::string& id, const Found& found) const;

    std::unordered_map<std::string, Style> styles_;
    std::unordered_map<std::string, List> lists_;  // abstract lists
    std::unordered_map<std::string, Number> numbers_;
    std::unordered_map<std::string, std::string> style_lists_;  // numbering style -> abstract list
    std::string default_style_;                                 // of paragraphs
    std::unordered_map<std::string, std::vector<int64_t>> counts_;  // by abstract list; 0: not yet
    std::map<std::string, std::vector<bool>> started_;  // by number: whose start has been applied
};

}  // namespace s3attn::text
