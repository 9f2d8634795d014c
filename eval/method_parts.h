// The families of methods; methods.cpp puts them together by name.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/context_stage.h"
#include "eval/method.h"
#include "eval/methods.h"
#include "eval/scan_model.h"

namespace s3attn::eval {

// A method's name and label, kept once.
class NamedMethod : public Method {
  public:
    NamedMethod(std::string name, std::string label)
        : name_(std::move(name)), label_(std::move(label)) {}
    const std::string& name() const override { return name_; }
    std::string label() const override { return label_; }

  private:
    std::string name_, label_;
};

// Needs no model: "bm25", "lead", "tail", "random".
std::unique_ptr<Method> make_word_method(const std::string& name, const MethodContext& context);
// The product: "s3", "hybrid"; and the same with random directions for features: "random-codes".
std::unique_ptr<Method> make_s3_method(const std::string& name, const MethodContext& context);
// Keys themselves, 4 bits a dimension: "int4" (the adapter's heads and query side), "layer0" (all
// heads of layer 0, untrained) or "layer0:H".
std::unique_ptr<Method> make_key_method(const std::string& name, int layer0_head,
                                        const MethodContext& context);
// A sentence embedder.
std::unique_ptr<Method> make_dense_method(const MethodContext& context);

// The second stage, shared by the rankers of a run: its passes wait for each other.
class SharedStage {
  public:
    explicit SharedStage(ContextStageOptions options) : options_(std::move(options)) {}
    Result<ContextReading> read(const std::string& question, const std::vector<std::string>& units,
                                const std::vector<double>& scores);

    // Hash of the model, the heads and what they are weighed with; or why there is no second stage.
    std::string identity();

  private:
    Status need_stage();

    ContextStageOptions options_;
    std::mutex mutex_;
    std::unique_ptr<ContextStage> stage_;
};
// The first units of another method's ranking read again in context.
std::unique_ptr<Method> make_context_method(const std::string& name, std::unique_ptr<Method> inner,
                                            MethodContext& context, uint32_t first);

struct FusionPart {
    std::unique_ptr<Method> method;
    double weight = 1;
};
std::unique_ptr<Method> make_fusion(const std::string& name, Mix::Kind kind,
                                    std::vector<FusionPart> parts);

}  // namespace s3attn::eval
