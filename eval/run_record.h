// What a run of `s3attn eval` leaves on disk: DIR/options.json (from the start), DIR/rows.jsonl
// (one row a line while it runs) and DIR/run.json (everything, once it is done).
//
// A run that was killed goes on where it stopped when the same command is given again: whole lines
// of rows.jsonl count, a torn last one does not. docs/formats/eval.md describes run.json.
#pragma once

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn::eval {

using Json = nlohmann::ordered_json;

inline constexpr int kRecordVersion = 1;

class RunRecord {
  public:
    // Makes `directory`, or goes on in it. `options` is a flat object of everything that decides
    // the result; kMismatch names the first one that differs from those of the run found there
    // ("data", the name of a file whose hash is an option itself, may differ),
    // kCorrupt the line of rows.jsonl that no run can have written; kBusy: another process is at
    // it.
    static Result<std::unique_ptr<RunRecord>> open(const std::string& directory,
                                                   const Json& options);
    RunRecord(const RunRecord&) = delete;
    RunRecord& operator=(const RunRecord&) = delete;

    // What tells the rows of questions apart: no two may have the same. Empty for other rows.
    static std::string row_key(const Json& row);

    // Rows of an earlier, unfinished run with these options, then those added.
    const std::vector<Json>& rows() const { return rows_; }
    bool resumed() const { return resumed_; }
    bool finished() const { return finished_; }  // run.json was there when it was opened
    const std::string& started() const { return started_; }  // of the first run, ISO 8601
    // Durable on return, as far as a killed process goes. Thread-safe.
    Status add_row(Json row);
    // Writes run.json under a temporary name, then renames it.
    Status finish(const Json& document);

    const std::string& directory() const { return directory_; }

  private:
    RunRecord() = default;
    Status lock_rows(const std::string& path);
    Status load_rows();
    std::string directory_, started_;
    bool resumed_ = false, finished_ = false;
    Descriptor file_;
    std::mutex mutex_;
    std::vector<Json> rows_;
};

// {"format", "version", "task", "options", "git_commit", "program_version", "machine", "seed",
// "started"}: the fields of run.json that are the same for every task.
Json record_header(const std::string& task, const Json& options, uint64_t seed,
                   const std::string& started, Device device);
// Processor, cores, memory and system of this machine, and the device that models run on.
Json machine_json(Device device);
// {"name", "path", "hash"} of a GGUF file.
Result<Json> model_json(const std::string& path);

std::string now_utc();  // ISO 8601, seconds
// Bytes that are no valid UTF-8 are written as U+FFFD.
std::string dump_json(const Json& json, int indent = -1);

// The largest resident set since the last reset (Linux resets it on request; where it cannot, the
// largest of the whole process).
void reset_peak_memory();
uint64_t peak_memory_bytes();

}  // namespace s3attn::eval
