// Reasons of errors about options (Error::reason; the others are in s3attn/reason.h). Messages name
// no flag of any program: which one an option has, the program knows.
#pragma once

namespace s3attn::reason {

// The value of an option cannot be taken: alone, with the others, or as things are. The subject is
// its name ("max_layer") as it stands in the structs of options, or several ("heads,max_layer").
inline constexpr char kOption[] = "option.value";

inline constexpr char kOffline[] = "reader.offline";  // a reader behind a server, and none allowed

}  // namespace s3attn::reason
