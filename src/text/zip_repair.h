// An archive whose list of contents is damaged or cut off, from the entries themselves.
#pragma once

#include <string>

namespace s3attn::text {

// `bytes` without their list of contents, which is written anew from what stands in front of each
// entry; "" where no entry is found. Sizes and checksums are those that the entries claim: whoever
// reads them notices what is not whole.
std::string with_new_directory(std::string bytes);

}  // namespace s3attn::text
