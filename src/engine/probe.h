// Makes a Probe from parts: from files by Probe::open(), from fakes by tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "s3attn/research.h"

namespace s3attn {

struct ProbeParts {
    ModelInfo model;
    std::shared_ptr<const Adapter> adapter;
    uint32_t threads = 0;
    uint32_t chunk_tokens = 0;
    // A scanner of layers 0 .. deepest_layer.
    std::function<Result<std::unique_ptr<Scanner>>(uint32_t deepest_layer,
                                                   const CancelToken* cancel)>
        open_scanner;
};

std::unique_ptr<Probe> make_probe(ProbeParts parts);

}  // namespace s3attn
