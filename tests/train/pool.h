// Pooled haystacks: every distinct paragraph of a question file (hotpotqa or musique), shuffled.
#pragma once

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "train/rng.h"

namespace s3attn {

struct Pool {
    std::vector<std::string> paragraphs;  // title, newline, text, blank line
    std::vector<std::string> questions;
    std::vector<std::vector<uint32_t>> gold;
};

inline std::string paragraph_text(const nlohmann::json& paragraph) {
    if (paragraph.contains("text")) return paragraph["text"].get<std::string>();
    std::string text;
    for (const auto& sentence : paragraph["sentences"]) text += sentence.get<std::string>();
    return text;
}

inline bool is_gold(const nlohmann::json& question, const nlohmann::json& paragraph) {
    if (paragraph.contains("is_supporting")) return paragraph["is_supporting"].get<bool>();
    for (const auto& fact : question["supporting_facts"]) {
        if (fact[0] == paragraph["title"]) return true;
    }
    return false;
}

inline Pool load_pool(const std::string& path, uint64_t seed) {
    Pool pool;
    std::map<std::string, uint32_t> index;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        const nlohmann::json question = nlohmann::json::parse(line);
        pool.questions.push_back(question["question"].get<std::string>());
        std::map<uint32_t, bool> gold;
        for (const auto& paragraph : question["paragraphs"]) {
            const std::string text =
                paragraph["title"].get<std::string>() + "\n" + paragraph_text(paragraph) + "\n\n";
            const auto [it, added] =
                index.emplace(text, static_cast<uint32_t>(pool.paragraphs.size()));
            if (added) pool.paragraphs.push_back(text);
            if (is_gold(question, paragraph)) gold[it->second] = true;
        }
        pool.gold.emplace_back();
        for (const auto& [g, yes] : gold) pool.gold.back().push_back(g);
    }
    std::vector<uint32_t> order(pool.paragraphs.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    Rng(seed).shuffle(order);
    std::vector<std::string> shuffled;
    std::vector<uint32_t> place(order.size());
    for (uint32_t i = 0; i < order.size(); ++i) {
        place[order[i]] = i;
        shuffled.push_back(pool.paragraphs[order[i]]);
    }
    pool.paragraphs = std::move(shuffled);
    for (auto& golds : pool.gold) {
        for (uint32_t& g : golds) g = place[g];
    }
    return pool;
}

}  // namespace s3attn
