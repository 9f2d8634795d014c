// Everything of the library, and its rules. engine.h is the place to start.
//
// What belongs to the program, and the library leaves alone:
// - Signals. None is caught or blocked. A call that takes a CancelToken ends early by it: set it
//   from the handler.
// - Environment variables. None is set. libgomp, on whose threads llama.cpp computes, reads
//   OMP_WAIT_POLICY and GOMP_SPINCOUNT once, when it is loaded, so no library could. Start your
//   program with OMP_WAIT_POLICY=PASSIVE and GOMP_SPINCOUNT=2000 where other work shares the
//   machine: else its waiting threads spin, and everything slows down many times over. The program
//   `s3attn` sets both and starts itself again.
// - Standard output and error. Nothing is printed; errors are returned, and progress goes to the
//   ProgressSink of a call.
// - llama.cpp's log, one for the process, on standard error unless somebody sets another. The
//   library neither silences nor redirects it. set_model_log() (model_log.h) or llama_log_set()
//   does, before the first model is opened; with the first of them an Error also says what
//   llama.cpp said.
// - The locale, and the working directory: relative paths mean what they mean to the process.
//
// What is one for the process, and the library shares:
// - ggml's backends, which the first model starts; they stay until the process ends.
//
// Threads: each Engine makes those that its options name, and joins them when it goes. fork()
// without exec() is safe only before the first Engine is open.
//
// Versions: the shared library's name carries SOVERSION, major.minor while the major version is 0.
// Releases of one SOVERSION replace each other without compiling anew; these headers are then
// compatible in source, too. Nothing outside include/s3attn is promised.
#pragma once

#include "s3attn/engine.h"        // IWYU pragma: export
#include "s3attn/filter.h"        // IWYU pragma: export
#include "s3attn/index_report.h"  // IWYU pragma: export
#include "s3attn/model_log.h"     // IWYU pragma: export
#include "s3attn/progress.h"      // IWYU pragma: export
#include "s3attn/reader.h"        // IWYU pragma: export
#include "s3attn/research.h"      // IWYU pragma: export
#include "s3attn/result.h"        // IWYU pragma: export
#include "s3attn/store.h"         // IWYU pragma: export
#include "s3attn/trainer.h"       // IWYU pragma: export
#include "s3attn/types.h"         // IWYU pragma: export
#include "s3attn/version.h"       // IWYU pragma: export
