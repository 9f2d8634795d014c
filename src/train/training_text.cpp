// Which texts the autoencoders are trained on.
#include <algorithm>

#include "train/pipeline_parts.h"
#include "train/rng.h"

namespace s3attn {
namespace {

constexpr double kMostOther = 1.0 / 3;  // share of text that is not prose

enum class Kind { kPair, kParagraph, kOther };

struct Piece {
    std::vector<int32_t> ids;
    Kind kind = Kind::kOther;
    uint32_t pair = UINT32_MAX;  // whose whole paragraph this is
};

uint64_t bytes_of(const std::vector<std::string>& texts) {
    uint64_t bytes = 0;
    for (const std::string& text : texts) bytes += text.size();
    return bytes;
}

// The share of other text: as much as the corpus has, at most a third. It follows from the corpus
// alone, so the mixture is the same whatever number of keys is asked for.
double other_share(const Corpus& corpus) {
    const auto other = static_cast<double>(bytes_of(corpus.other));
    const auto prose = static_cast<double>(bytes_of(corpus.paragraphs));
    return other + prose > 0 ? std::min(kMostOther, other / (other + prose)) : 0;
}

// Collects texts until a number of tokens is there; the text that crosses it is cut.
class Collector {
  public:
    Collector(const Tokenizer& tokenizer, std::vector<Piece>& pieces)
        : tokenizer_(tokenizer), pieces_(pieces) {}

    // False: no room is left.
    Result<bool> add(const std::string& text, Kind kind, uint32_t pair, uint64_t most) {
        uint64_t& have = kind == Kind::kOther ? other_ : prose_;
        if (have >= most) return false;
        S3ATTN_TRY(Tokens tokens, tokenizer_.tokenize(text + "\n\n"));
        const bool cut = tokens.ids.size() > most - have;
        if (cut) tokens.ids.resize(most - have);
        have += tokens.ids.size();
        pieces_.push_back({std::move(tokens.ids), kind, cut ? UINT32_MAX : pair});
        return true;
    }
    uint64_t prose() const { return prose_; }
    uint64_t other() const { return other_; }

  private:
    const Tokenizer& tokenizer_;
    std::vector<Piece>& pieces_;
    uint64_t prose_ = 0, other_ = 0;
};

Result<std::vector<Piece>> collect(const Corpus& corpus, const ClozeSplit& cloze,
                                   const Tokenizer& tokenizer, uint64_t wanted) {
    std::vector<Piece> pieces;
    Collector collector(tokenizer, pieces);
    const double share = other_share(corpus);
    const auto n_pairs = static_cast<uint32_t>(cloze.pairs.size()) - cloze.n_held_out;
    uint32_t pair = 0;
    size_t paragraph = corpus.paragraphs.size();  // used from the back: no pairs are made of those
    const auto add_prose = [&](uint64_t most) -> Status {
        for (bool room = true; room && pair < n_pairs;) {
            S3ATTN_TRY(room, collector.add(cloze.pairs[cloze.n_held_out + pair].paragraph,
                                           Kind::kPair, pair, most));
            pair += room;
        }
        for (bool room = true; room && paragraph > cloze.pairs.size();) {
            S3ATTN_TRY(room, collector.add(corpus.paragraphs[paragraph - 1], Kind::kParagraph,
                                           UINT32_MAX, most));
            paragraph -= room;
        }
        return {};
    };
    const auto most_other = static_cast<uint64_t>(share * static_cast<double>(wanted));
    S3ATTN_CHECK(add_prose(wanted - most_other));
    // Where prose is short, other text is as short in proportion.
    const auto fitting =
        static_cast<uint64_t>(share / (1 - share) * static_cast<double>(collector.prose()));
    for (const std::string& text : corpus.other) {
        S3ATTN_TRY(const bool room,
                   collector.add(text, Kind::kOther, UINT32_MAX, std::min(most_other, fitting)));
        if (!room) break;
    }
    S3ATTN_CHECK(add_prose(wanted - collector.other()));
    return pieces;
}

}  // namespace

Result<TrainingText> training_text(const Corpus& corpus, const ClozeSplit& cloze,
                                   const Tokenizer& tokenizer, const TrainOptions& options) {
    S3ATTN_TRY(std::vector<Piece> pieces, collect(corpus, cloze, tokenizer, options.sae_tokens));
    std::vector<uint32_t> order(pieces.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    Rng rng(options.seed ^ 0x717u);
    rng.shuffle(order);
    TrainingText text;
    text.span_of.assign(cloze.pairs.size() - cloze.n_held_out, UINT32_MAX);
    for (const uint32_t i : order) {
        const Piece& piece = pieces[i];
        if (piece.pair != UINT32_MAX) {
            text.span_of[piece.pair] = static_cast<uint32_t>(text.sae.spans.size());
        }
        const auto begin = static_cast<uint32_t>(text.sae.ids.size());
        text.sae.ids.insert(text.sae.ids.end(), piece.ids.begin(), piece.ids.end());
        text.sae.spans.push_back({begin, static_cast<uint32_t>(text.sae.ids.size())});
        uint64_t& count = piece.kind == Kind::kPair        ? text.counts.pairs
                          : piece.kind == Kind::kParagraph ? text.counts.paragraphs
                                                           : text.counts.other;
        count += piece.ids.size();
    }
    std::vector<std::string> more;
    for (uint32_t q = 0; q < text.span_of.size(); ++q) {
        if (text.span_of[q] != UINT32_MAX) continue;
        text.span_of[q] = static_cast<uint32_t>(text.sae.spans.size() + more.size());
        more.push_back(cloze.pairs[cloze.n_held_out + q].paragraph + "\n\n");
    }
    S3ATTN_TRY(text.more, tokenize_texts(tokenizer, more));
    return text;
}

}  // namespace s3attn
