// A model behind a server that speaks OpenAI's chat completions, as a Reader.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "remote/reader_url.h"
#include "s3attn/engine.h"
#include "s3attn/reader.h"

namespace s3attn {

// Counts with another model's tokenizer, since the server's is not at hand.
using CountText = std::function<Result<uint32_t>(std::string_view)>;
// Counts with it may be short by this share.
inline constexpr double kRemoteCountMargin = 0.25;

// Asks the server for its models; without a model in the address its only one is taken.
// kInvalidArgument with the names when there are several, kIo when it cannot be reached, and when
// options.offline is set.
Result<std::unique_ptr<Reader>> open_remote_reader(const std::string& url,
                                                   const RemoteOptions& options, CountText count,
                                                   const CancelToken* cancel);
// Names of the server's models.
Result<std::vector<std::string>> list_remote_models(const std::string& url,
                                                    const RemoteOptions& options,
                                                    const CancelToken* cancel);

}  // namespace s3attn
