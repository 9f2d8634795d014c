// The families of methods; methods.cpp puts them together by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

struct FusionPart {
    std::unique_ptr<Method> method;
    double weight = 1;
};
std::unique_ptr<Method> make_fusion(const std::string& name, Mix::Kind kind,
                                    std::vector<FusionPart> parts);

}  // namespace s3attn::eval
