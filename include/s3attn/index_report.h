// What reading documents into a store takes and reports: options, what became of each file, and
// what of it is not there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

struct IndexOptions {
    bool recursive = true;  // directories
    // A commit point at least every so many tokens; 0: 16,384 on a CPU, 131,072 on a device, where
    // each point is a moment without work.
    uint32_t commit_tokens = 0;
    uint32_t memory_mib = 256;  // most memory of the index builder; the model's comes on top
    // Only every `shards`-th document of the inputs, number `shard` (1 .. shards; 0 is the same as
    // `shards`); merge_stores() joins the stores of all shards. 0 shards: every document.
    uint32_t shard = 0, shards = 0;
    bool prune = false;  // drop the documents of IndexReport::gone
    // About so many tokens a unit, the pieces that are found and quoted; 0: 128. What a store has
    // already stays as it is.
    uint32_t unit_tokens = 0;
    // Keep a vector of every unit beside the codes, made by EngineOptions::embedder: the voice
    // "dense". A store that has vectors gets them for new documents with or without this.
    bool embed = false;
};

// What of a document is not in the store as it stands in the source. Nothing is left out silently.
struct ReadNote {
    enum class Kind {
        kConverted,  // all of it is there, in another form: another encoding, bytes replaced
        kLeftOut,    // not read on purpose: the rules of docs/documents.md
        kUnread,     // belongs to the document and could not be read: it counts as a failure
    };
    Kind kind = Kind::kUnread;
    std::string place;   // inside the document: "chapter2.xhtml", "pages 2-4"; empty: all of it
    uint64_t count = 0;  // how many things the note speaks of; 0 where nothing is counted
    std::string
        message;  // words for a person, the count among them: "damaged (...); copy it again"
    std::string text() const { return place.empty() ? message : place + ": " + message; }
};

constexpr const char* to_string(ReadNote::Kind kind) {
    switch (kind) {
        case ReadNote::Kind::kConverted: return "converted";
        case ReadNote::Kind::kLeftOut: return "left_out";
        case ReadNote::Kind::kUnread: return "unread";
    }
    return "unread";
}

struct FileOutcome {
    std::string path;
    enum class Kind {
        kIndexed,
        kReplaced,
        kUnchanged,
        kResumed,
        kSkipped,
        kRenamed,  // unchanged, under another name: nothing was scanned
    } kind = Kind::kIndexed;
    std::string reason;        // why it was skipped; empty otherwise
    std::string renamed_from;  // the document's path before, of a renamed one
    DocumentId doc_id;
    uint64_t tokens = 0;  // scanned in this run
    uint64_t bytes = 0;   // of the source
    // Also of skipped files; of unchanged ones what opening them shows.
    std::vector<ReadNote> notes;
    // Whether a part of it could not be read.
    bool partly_read() const {
        for (const ReadNote& note : notes) {
            if (note.kind == ReadNote::Kind::kUnread) return true;
        }
        return false;
    }
};

constexpr const char* to_string(FileOutcome::Kind kind) {
    switch (kind) {
        case FileOutcome::Kind::kIndexed: return "indexed";
        case FileOutcome::Kind::kReplaced: return "replaced";
        case FileOutcome::Kind::kUnchanged: return "unchanged";
        case FileOutcome::Kind::kResumed: return "resumed";
        case FileOutcome::Kind::kSkipped: return "skipped";
        case FileOutcome::Kind::kRenamed: return "renamed";
    }
    return "skipped";
}

struct IndexReport {
    std::vector<FileOutcome> files;
    std::vector<ReadNote> notes;  // of the walk through directories: what it passed over
    // Documents of the directories and files given whose files are not there any more. They stay in
    // the store, and are found, unless IndexOptions::prune was set.
    std::vector<DocumentInfo> gone;
    bool pruned = false;  // they were dropped
    // All that it passed over, pictures and programs too, by kind (".png", "hidden", "empty").
    std::map<std::string, uint64_t> passed_over;
    uint64_t tokens = 0;  // scanned in this run
    double seconds = 0;   // wall clock of the scan, model loading excluded
    double tokens_per_s = 0;
    uint64_t bytes = 0;          // size of the store on disk after the run
    double bytes_per_token = 0;  // bytes / all live tokens of the store
    uint64_t store_tokens = 0;   // all live tokens of the store
    uint64_t peak_rss_bytes = 0;
    uint64_t vectors = 0;  // made in this run, of units that had none; IndexOptions::embed
    std::map<std::string, double> timings_ms;  // stage -> ms: tokenize, scan, encode, write
    bool cancelled = false;                    // stopped by the CancelToken; committed work is kept
    // On a CUDA device: the share of the time in which forward passes ran, and what the driver says
    // of the card meanwhile (mean share of time with a kernel running, most memory in use by all
    // processes; below 0 and 0 where the driver does not tell).
    std::string device = "cpu";  // "cpu", "cuda", or "auto" in a build without CUDA
    double scan_busy = 0;
    double device_utilization = -1;
    uint64_t device_memory_bytes = 0;
};

}  // namespace s3attn
#pragma GCC visibility pop
