// Mixing voices: which are asked, and how their lists become one ranking. --method and the
// evaluation share the grammar and the arithmetic.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "retrieve/voice.h"
#include "s3attn/result.h"

namespace s3attn {

// "s3", "rrf(bm25,dense)", "sum(s3:4,bm25:1)", nested up to 16 deep.
struct Mix {
    enum class Kind {
        kVoice,
        kRanks,  // reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009, k = 60)
        kSum,    // of scores, each list's first ones mapped to [0, 1] by their least and largest
    } kind = Kind::kVoice;
    std::string text;   // as it was written, the weight left out; a voice's name
    double weight = 1;  // in the mix around it
    std::vector<Mix> parts;
};
// kInvalidArgument says which part is not understood. Names are not looked up here. A name for
// which `takes_number` is true may be followed by a number of its own ("layer0:3").
Result<Mix> parse_mix(const std::string& text, bool (*takes_number)(std::string_view) = nullptr);
// The voices' names, each once, in the order in which they are first named.
std::vector<std::string> voices_of(const Mix& mix);
// Whether SearchOptions::method may be that; kInvalidArgument says what is wrong with it.
Status check_method(const std::string& method);

using UnitList = std::vector<RankedUnit>;
inline constexpr size_t kFuseDepth = 300;
// One ranking of lists that are best first; weights all > 0. In a sum only a list's first `depth`
// units count, over all weights; units that no list has among these follow in the order of the same
// sum gone on below 0. With `parts`: [list][unit number], what each list brought to the score.
UnitList fuse(Mix::Kind kind, const std::vector<const UnitList*>& lists,
              const std::vector<double>& weights, size_t n_units, size_t depth = kFuseDepth,
              std::vector<std::vector<double>>* parts = nullptr);

struct Ranking {
    std::vector<RankedUnit> units;  // best first
    std::vector<std::string> voices;
    std::vector<VoiceScores> said;             // by voice
    std::vector<std::vector<double>> scores;   // [voice][unit number]; 0 where it has none
    std::vector<std::vector<double>> brought;  // [voice][unit number]: of the fused score
    std::vector<double> weights;  // of the mix's parts
    std::map<std::string, double> timings_ms;
    // Null when that voice was not asked.
    const VoiceScores* said_by(std::string_view voice) const;
    double score(std::string_view voice, UnitNumber unit) const;  // 0 likewise
    // What some voice found to hold against the evidence floor.
    std::optional<double> cosine() const;
};

// Weighs a mix for one question, once its voices have spoken.
using Weigh = std::function<Status(const Ranking& said, Mix& mix)>;
// Asks every voice of the mix once. kInvalidArgument for one that is not among `voices`.
Result<Ranking> rank_units(const std::vector<const Voice*>& voices, Mix mix,
                           const VoiceRequest& request, const Weigh& weigh = nullptr);

// What comes behind fusion: a closer look at the best units.
class SecondStage {
  public:
    virtual ~SecondStage() = default;
    // Puts ranking.units into a new order, or gives them new scores (best first again).
    virtual Status rerank(const VoiceRequest& request, Ranking& ranking) = 0;
};

}  // namespace s3attn
