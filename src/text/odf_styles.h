// Styles of an OpenDocument file: raised and struck text, and the numbers of lists and headings.
#pragma once

#include <cstdint>
#include <map>
#include <pugixml.hpp>
#include <string>
#include <vector>

namespace s3attn::text {

class OdfStyles {
  public:
    // Of content.xml or styles.xml.
    void read(const pugi::xml_node& root);

    // "superscript", "subscript" or "".
    std::string vertical_place(const std::string& text_style) const;
    bool is_struck(const std::string& text_style) const;

    // The number or bullet of the next item at `level` (0 the outermost) of a list.
    // `restart`: the list begins anew. `start`: 0, or the value that the item gives itself.
    std::string next_number(const std::string& list_style, size_t level, bool restart,
                            int64_t start);
    std::string next_heading_number(size_t level);

  private:
    struct Text {
        std::string parent, place;
        bool struck = false;
    };
    struct Level {
        char format = 0;  // '1', 'a', 'A', 'i', 'I'; 0: no number
        std::string prefix, suffix, bullet;
        int64_t start = 1;
        size_t shown_levels = 1;
    };
    struct List {
        std::map<size_t, Level> levels;
        std::vector<int64_t> counts;
    };
    static void read_levels(const pugi::xml_node& style, List& list);
    static std::string next(List& list, size_t level, int64_t start);

    std::map<std::string, Text> texts_;
    std::map<std::string, List> lists_;
    List outline_;
};

}  // namespace s3attn::text
