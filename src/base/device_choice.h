// Which device models run on, from what was asked for and what is there.
#pragma once

#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// `built`: this program has CUDA code. card() and runtime(): whether a card it can use is there,
// and whether the model runtime can use one; not called where the answer does not matter, for to
// ask a card takes some of its memory. Only a build without CUDA leaves kAuto as it is.
template <class Card, class Runtime>
Result<Device> choose_device(Device wanted, bool built, const Card& card, const Runtime& runtime) {
    if (wanted == Device::kCuda) {
        S3ATTN_CHECK(card());
        S3ATTN_CHECK(runtime());
    }
    if (wanted != Device::kAuto || !built) return wanted;
    return card().ok() && runtime().ok() ? Device::kCuda : Device::kCpu;
}

}  // namespace s3attn
