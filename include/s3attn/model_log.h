// llama.cpp's log: one for the whole process, so a program decides about it, never the library.
#pragma once

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// level: 0 debug, 1 information, 2 warning, 3 error. `text` is a piece of the log, line ends
// included. Called from any thread; must not throw.
using ModelLog = void (*)(int level, const char* text);

// Sends llama.cpp's log to `sink`; null: nowhere. From then on an Error of this library also says
// what llama.cpp logged as the reason. Replaces what llama_log_set() was given, and is replaced by
// it.
void set_model_log(ModelLog sink);

}  // namespace s3attn
#pragma GCC visibility pop
