// The stage that lets the model write questions of its own.
#include <algorithm>

#include "base/files.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

constexpr uint32_t kSaveEvery = 64;

std::vector<std::string> questions_from(std::string_view bytes) {
    ByteReader in(bytes);
    std::vector<std::string> questions(std::min<uint32_t>(in.number<uint32_t>(), 1u << 20));
    for (std::string& question : questions) question = in.text();
    if (!in.ok()) questions.clear();
    return questions;
}

std::string to_bytes(const std::vector<std::string>& questions) {
    ByteWriter out;
    out.number(static_cast<uint32_t>(questions.size()));
    for (const std::string& question : questions) out.text(question);
    return out.bytes();
}

std::vector<QuestionTask> tasks_of(std::span<const ClozePair> pairs) {
    std::vector<std::string> paragraphs;
    for (const ClozePair& pair : pairs) paragraphs.push_back(pair.paragraph);
    return question_tasks(paragraphs);
}

}  // namespace

Result<uint32_t> write_questions(TrainContext& context, ClozeSplit& cloze) {
    if (!context.writer) {
        return make_error(ErrorCode::kInvalidArgument, "no model to write questions with");
    }
    const auto pairs = std::span<ClozePair>(cloze.pairs).subspan(cloze.n_held_out);
    const size_t n = std::min<size_t>(context.options.model_questions, pairs.size());
    std::string paragraphs;
    for (const ClozePair& pair : pairs.first(n)) paragraphs += hash_bytes(pair.paragraph);
    Origin origin = context.origin();
    origin.emplace_back("paragraphs", hash_bytes(paragraphs));
    if (!context.options.question_model.empty()) {
        S3ATTN_TRY(std::string writer, hash_file(context.options.question_model));
        origin.emplace_back("question model", std::move(writer));
    }
    std::vector<std::string> questions;
    if (const auto bytes = context.checkpoints.load("questions", origin)) {
        questions = questions_from(*bytes);
    }
    questions.resize(std::min(questions.size(), n));
    const std::vector<QuestionTask> tasks = tasks_of(pairs.first(n));
    while (questions.size() < n) {
        if (context.cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        context.sink.update(
            {"write questions", std::string(), questions.size(), n, "questions", 0});
        const size_t some = std::min<size_t>(kSaveEvery, n - questions.size());
        S3ATTN_TRY(const std::vector<std::string> more,
                   context.writer(std::span(tasks).subspan(questions.size(), some)));
        questions.insert(questions.end(), more.begin(), more.end());
        S3ATTN_CHECK(context.checkpoints.save("questions", origin, to_bytes(questions)));
    }
    uint32_t written = 0;
    for (size_t i = 0; i < n; ++i) {
        if (questions[i].empty()) continue;
        pairs[i].question = questions[i];
        ++written;
    }
    return written;
}

}  // namespace s3attn
