#include "retrieve/mix.h"

#include <algorithm>
#include <charconv>

#include "base/timing.h"

namespace s3attn {
namespace {

constexpr double kRankConstant = 60;
constexpr int kMaxDepth = 16;  // the parser recurses
constexpr size_t kMostShownBytes = 80;

// Recursive descent.
class Parser {
  public:
    Parser(const std::string& text, bool (*takes_number)(std::string_view))
        : text_(text), takes_number_(takes_number) {}

    Result<Mix> parse_all() {
        S3ATTN_TRY(Mix mix, parse());
        if (at_ != text_.size()) return wrong("'" + text_.substr(at_) + "' is left");
        return mix;
    }

  private:
    Error wrong(const std::string& why) const {
        const auto shown = [](const std::string& all, size_t most) {
            return all.size() <= most ? all : all.substr(0, most) + "...";
        };
        return make_error(ErrorCode::kInvalidArgument, "method '" + shown(text_, kMostShownBytes) +
                                                           "': " + shown(why, 4 * kMostShownBytes));
    }

    Result<Mix> parse() {
        const size_t begin = at_;
        at_ = std::min(text_.find_first_of("(),:", at_), text_.size());
        Mix mix;
        mix.text = text_.substr(begin, at_ - begin);
        if (mix.text == "rrf" || mix.text == "sum") return parse_parts(begin);
        if (mix.text.empty()) return wrong("a name is missing");
        if (takes_number_ != nullptr && takes_number_(mix.text) && peek() == ':') {
            ++at_;
            int number = -1;
            if (!read(number) || number < 0) return wrong(mix.text + ":N wants a number");
            mix.text += ":" + std::to_string(number);
        }
        return mix;
    }

    Result<Mix> parse_parts(size_t begin) {
        const std::string name = text_.substr(begin, at_ - begin);
        if (peek() != '(') return wrong(name + " wants methods in parentheses");
        if (++depth_ > kMaxDepth) return wrong("nested too deeply");
        Mix mix;
        mix.kind = name == "rrf" ? Mix::Kind::kRanks : Mix::Kind::kSum;
        do {
            ++at_;
            S3ATTN_TRY(Mix part, parse());
            if (peek() == ':') {
                ++at_;
                if (!read(part.weight) || !(part.weight > 0) || part.weight > 1e6) {
                    return wrong("a weight is no number above 0");
                }
            }
            mix.parts.push_back(std::move(part));
        } while (peek() == ',');
        if (peek() != ')') return wrong("a ')' is missing");
        ++at_;
        --depth_;
        if (mix.parts.size() < 2) return wrong(name + " wants at least two methods");
        mix.text = text_.substr(begin, at_ - begin);
        return mix;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    template <class T>
    bool read(T& value) {
        const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
        at_ = static_cast<size_t>(parsed.ptr - text_.data());
        return parsed.ec == std::errc{};
    }

    const std::string& text_;
    bool (*takes_number_)(std::string_view);
    size_t at_ = 0;
    int depth_ = 0;
};

void add_names(const Mix& mix, std::vector<std::string>& names) {
    if (mix.kind == Mix::Kind::kVoice &&
        std::find(names.begin(), names.end(), mix.text) == names.end()) {
        names.push_back(mix.text);
    }
    for (const Mix& part : mix.parts) add_names(part, names);
}

// What the unit at place `rank` of a list of scores is worth there.
class ListScale {
  public:
    ListScale(Mix::Kind kind, const UnitList& list, size_t depth)
        : kind_(kind),
          depth_(kind == Mix::Kind::kSum ? std::min(list.size(), depth) : list.size()) {
        if (depth_ == 0) return;
        low_ = list[depth_ - 1].score;
        range_ = list[0].score - low_;
    }
    bool counts(size_t rank) const { return rank < depth_; }
    double operator()(size_t rank, double score) const {
        if (kind_ == Mix::Kind::kRanks) {
            return 1 / (kRankConstant + static_cast<double>(rank + 1));
        }
        const double norm = range_ > 0 ? (score - low_) / range_ : 1.0;
        return counts(rank) ? norm : std::min(norm, 0.0);
    }

  private:
    Mix::Kind kind_;
    size_t depth_;
    double low_ = 0, range_ = 0;
};

}  // namespace

Result<Mix> parse_mix(const std::string& text, bool (*takes_number)(std::string_view)) {
    return Parser(text, takes_number).parse_all();
}

std::vector<std::string> voices_of(const Mix& mix) {
    std::vector<std::string> names;
    add_names(mix, names);
    return names;
}

Status check_method(const std::string& method) {
    if (method == "hybrid") return {};
    S3ATTN_TRY(const Mix mix, parse_mix(method));
    for (const std::string& voice : voices_of(mix)) {
        if (voice == "s3" || voice == "bm25" || voice == "dense") continue;
        return make_error(ErrorCode::kInvalidArgument,
                          "there is no method '" + voice +
                              "'; s3, bm25, dense and hybrid are, and sum(s3:4,bm25:1,dense:4) or "
                              "rrf(s3,bm25)");
    }
    return {};
}

UnitList fuse(Mix::Kind kind, const std::vector<const UnitList*>& lists,
              const std::vector<double>& weights, size_t n_units, size_t depth,
              std::vector<std::vector<double>>* parts) {
    double all = 1;  // ranks are not divided: 1 / 61 is the best that a list can bring
    if (kind == Mix::Kind::kSum) {
        all = 0;
        for (const double weight : weights) all += weight;
    }
    enum : uint8_t { kAbsent, kBehind, kCounted };
    std::vector<uint8_t> state(n_units, kAbsent);
    std::vector<double> sum(n_units), behind(n_units);
    if (parts != nullptr) parts->assign(lists.size(), {});
    for (size_t l = 0; l < lists.size(); ++l) {
        const ListScale scale(kind, *lists[l], depth);
        if (parts != nullptr) (*parts)[l].assign(n_units, 0.0);
        for (size_t r = 0; r < lists[l]->size(); ++r) {
            const auto& [unit, score] = (*lists[l])[r];
            const double worth = weights[l] * scale(r, score);
            if (scale.counts(r)) {
                sum[unit] += worth;
                state[unit] = kCounted;
                if (parts != nullptr) (*parts)[l][unit] = worth / all;
            } else {
                behind[unit] += worth;
                if (state[unit] == kAbsent) state[unit] = kBehind;
            }
        }
    }
    UnitList fused;
    for (size_t u = 0; u < n_units; ++u) {
        if (state[u] == kAbsent) continue;
        fused.push_back(
            {static_cast<UnitNumber>(u), (state[u] == kCounted ? sum[u] : behind[u]) / all});
    }
    sort_best_first(fused);
    return fused;
}

const VoiceScores* Ranking::said_by(std::string_view voice) const {
    const auto found = std::find(voices.begin(), voices.end(), voice);
    return found == voices.end() ? nullptr : &said[static_cast<size_t>(found - voices.begin())];
}

double Ranking::score(std::string_view voice, UnitNumber unit) const {
    const auto found = std::find(voices.begin(), voices.end(), voice);
    return found == voices.end() ? 0 : scores[static_cast<size_t>(found - voices.begin())][unit];
}

std::optional<double> Ranking::cosine() const {
    for (const VoiceScores& each : said) {
        if (each.cosine) return each.cosine;
    }
    return std::nullopt;
}

namespace {

// The list of a part of the mix. `direct`: what the root's lists brought, one for each part.
UnitList list_of(const Mix& mix, const Ranking& ranking, size_t n_units,
                 std::vector<std::vector<double>>* direct) {
    if (mix.kind == Mix::Kind::kVoice) return ranking.said_by(mix.text)->units;
    std::vector<UnitList> lists;
    std::vector<double> weights;
    for (const Mix& part : mix.parts) {
        lists.push_back(list_of(part, ranking, n_units, nullptr));
        weights.push_back(part.weight);
    }
    std::vector<const UnitList*> each;
    for (const UnitList& list : lists) each.push_back(&list);
    return fuse(mix.kind, each, weights, n_units, kFuseDepth, direct);
}

bool is_flat_sum(const Mix& mix) {
    return mix.kind == Mix::Kind::kSum &&
           std::all_of(mix.parts.begin(), mix.parts.end(),
                       [](const Mix& part) { return part.kind == Mix::Kind::kVoice; });
}

Status ask_voices(const std::vector<const Voice*>& voices, const VoiceRequest& request,
                  Ranking& ranking) {
    for (const std::string& name : ranking.voices) {
        const auto voice = std::find_if(voices.begin(), voices.end(),
                                        [&](const Voice* each) { return each->name() == name; });
        if (voice == voices.end()) {
            std::string known;
            for (const Voice* each : voices) known += (known.empty() ? "" : ", ") + each->name();
            return make_error(ErrorCode::kInvalidArgument,
                              "there is no method '" + name + "' here; those that are: " + known);
        }
        S3ATTN_TRY(VoiceScores scores, (*voice)->score(request));
        ranking.scores.emplace_back(request.store.live_units().size());
        for (const RankedUnit& unit : scores.units) ranking.scores.back()[unit.unit] = unit.score;
        for (const auto& [stage, ms] : scores.timings_ms) ranking.timings_ms[stage] += ms;
        ranking.said.push_back(std::move(scores));
    }
    return {};
}

}  // namespace

Result<Ranking> rank_units(const std::vector<const Voice*>& voices, Mix mix,
                           const VoiceRequest& request, const Weigh& weigh) {
    Ranking ranking;
    ranking.voices = voices_of(mix);
    VoiceRequest own = request;
    // Only there is what lies behind the depth of no account.
    own.depth = is_flat_sum(mix) ? kFuseDepth : 0;
    S3ATTN_CHECK(ask_voices(voices, own, ranking));
    if (weigh) S3ATTN_CHECK(weigh(ranking, mix));
    const Stopwatch watch;
    const size_t n_units = request.store.live_units().size();
    std::vector<std::vector<double>> direct;
    ranking.units = list_of(mix, ranking, n_units, &direct);
    ranking.brought.assign(ranking.voices.size(), {});
    for (size_t v = 0; v < ranking.voices.size(); ++v) {
        if (mix.kind == Mix::Kind::kVoice) {
            ranking.brought[v] = ranking.scores[v];
            continue;
        }
        ranking.brought[v].assign(n_units, 0.0);
        for (size_t p = 0; p < mix.parts.size(); ++p) {
            const std::vector<std::string> names = voices_of(mix.parts[p]);
            if (names.size() != 1 || names[0] != ranking.voices[v]) continue;
            for (size_t u = 0; u < n_units; ++u) ranking.brought[v][u] += direct[p][u];
        }
    }
    for (const Mix& part : mix.parts) ranking.weights.push_back(part.weight);
    ranking.timings_ms["rank"] = watch.milliseconds();
    return ranking;
}

}  // namespace s3attn
