// Prose without meaning: enough for corpora of the fake model.
#pragma once

#include <string>

#include "train/corpus.h"
#include "train/rng.h"

namespace s3attn {

inline std::string fake_word(Rng& rng) {
    static constexpr const char* kSyllables[] = {"ba", "de", "fi", "go", "hu", "ka", "le", "mi",
                                                 "no", "pu", "ra", "se", "ti", "vo", "zu", "len"};
    std::string word;
    for (uint64_t i = 2 + rng.below(2); i > 0; --i) word += kSyllables[rng.below(16)];
    return word;
}

inline std::string fake_sentence(Rng& rng) {
    std::string text = fake_word(rng);
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
    for (uint64_t i = 9 + rng.below(8); i > 0; --i) text += " " + fake_word(rng);
    return text + ".";
}

// A paragraph of eight sentences that repeats its words, so that a sentence of it can be found.
inline std::string fake_paragraph(Rng& rng) {
    std::string theme[6];
    for (std::string& word : theme) word = fake_word(rng);
    std::string text;
    for (int s = 0; s < 8; ++s) {
        std::string sentence = fake_sentence(rng);
        sentence.pop_back();
        for (int i = 0; i < 3; ++i) sentence += " " + theme[rng.below(6)];
        text += (s ? " " : "") + sentence + ".";
    }
    return text;
}

inline Corpus fake_corpus(uint32_t paragraphs, uint64_t seed) {
    Rng rng(seed);
    Corpus corpus;
    for (uint32_t i = 0; i < paragraphs; ++i) corpus.paragraphs.push_back(fake_paragraph(rng));
    corpus.other = {"for (;;) { x += 1; }", "a;b;c"};
    corpus.files.push_back({"fake.txt", "00", 1000, paragraphs});
    return corpus;
}

class QuietSink final : public ProgressSink {
  public:
    void update(const Progress& progress) override {
        ++updates;
        if (progress.total > 0 && progress.done > progress.total) ++overshoots;
        stages += stages.find(progress.stage) == std::string::npos ? progress.stage + ";" : "";
    }
    void note(const std::string& message) override { notes += message + "\n"; }
    int updates = 0, overshoots = 0;
    std::string stages, notes;
};

}  // namespace s3attn
