#include "eval/metrics/sequence_matcher.h"

#include <cmath>
#include <unordered_map>
#include <vector>

namespace s3attn::eval {
namespace {

struct Match {
    size_t a = 0, b = 0, size = 0;
};
struct Range {
    size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
  public:
    Matcher(std::u32string_view a, std::u32string_view b) : a_(a), b_(b) {
        for (size_t j = 0; j < b.size(); ++j) places_[b[j]].push_back(j);
        if (b.size() < 200) return;
        const size_t most = b.size() / 100 + 1;
        std::erase_if(places_, [most](const auto& entry) { return entry.second.size() > most; });
    }

    size_t matched() const {
        size_t total = 0;
        std::vector<Range> open{{0, a_.size(), 0, b_.size()}};
        while (!open.empty()) {
            const Range range = open.back();
            open.pop_back();
            const Match match = longest(range);
            if (match.size == 0) continue;
            total += match.size;
            if (range.a_begin < match.a && range.b_begin < match.b) {
                open.push_back({range.a_begin, match.a, range.b_begin, match.b});
            }
            if (match.a + match.size < range.a_end && match.b + match.size < range.b_end) {
                open.push_back(
                    {match.a + match.size, range.a_end, match.b + match.size, range.b_end});
            }
        }
        return total;
    }

  private:
    // Of the longest matches the one that begins first in a, then first in b.
    Match longest(const Range& range) const {
        Match best{range.a_begin, range.b_begin, 0};
        std::unordered_map<size_t, size_t> ending, next;  // j: length of the match ending at b[j]
        for (size_t i = range.a_begin; i < range.a_end; ++i) {
            next.clear();
            const auto places = places_.find(a_[i]);
            if (places != places_.end()) {
                for (const size_t j : places->second) {
                    if (j < range.b_begin) continue;
                    if (j >= range.b_end) break;
                    const auto before = j == 0 ? ending.end() : ending.find(j - 1);
                    const size_t size = (before == ending.end() ? 0 : before->second) + 1;
                    next[j] = size;
                    if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
                }
            }
            std::swap(ending, next);
        }
        extend(range, best);
        return best;
    }

    // Over the popular characters that started no match.
    void extend(const Range& range, Match& match) const {
        while (match.a > range.a_begin && match.b > range.b_begin &&
               a_[match.a - 1] == b_[match.b - 1]) {
            --match.a, --match.b, ++match.size;
        }
        while (match.a + match.size < range.a_end && match.b + match.size < range.b_end &&
               a_[match.a + match.size] == b_[match.b + match.size]) {
            ++match.size;
        }
    }

    std::u32string_view a_, b_;
    std::unordered_map<char32_t, std::vector<size_t>> places_;  // of each character in b, ascending
};

}  // namespace

double sequence_ratio(std::u32string_view a, std::u32string_view b) {
    if (a.empty() && b.empty()) return 1;
    return 2.0 * static_cast<double>(Matcher(a, b).matched()) /
           static_cast<double>(a.size() + b.size());
}

int fuzz_ratio(std::u32string_view a, std::u32string_view b) {
    if (a == b) return 100;
    if (a.empty() || b.empty()) return 0;
    return static_cast<int>(std::nearbyint(100 * sequence_ratio(a, b)));
}

}  // namespace s3attn::eval
