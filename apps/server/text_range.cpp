#include "text_range.h"

#include <algorithm>

#include "base/utf8.h"

namespace s3attn::server {
std::string slice(const DocumentRange& range, uint64_t& begin, uint64_t& end) {
    std::string text;
    uint64_t first = end, last = begin;
    for (const UnitText& unit : range.units) {
        const bool same = unit.byte_end - unit.byte_begin == unit.text.size();
        size_t from = 0, to = unit.text.size();
        if (same && begin > unit.byte_begin) from = begin - unit.byte_begin;
        if (same && end < unit.byte_end) to = end - unit.byte_begin;
        while (from > 0 && utf8_continues(unit.text[from])) --from;
        while (to < unit.text.size() && utf8_continues(unit.text[to])) ++to;
        if (&unit != &range.units.front()) text += unit.gap;
        text.append(unit.text, from, to - from);
        first = std::min(first, unit.byte_begin + (same ? from : 0));
        last = std::max(last, same ? unit.byte_begin + to : unit.byte_end);
    }
    begin = range.units.empty() ? begin : first;
    end = range.units.empty() ? begin : last;
    return text;
}

}  // namespace s3attn::server
