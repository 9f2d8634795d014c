// Real codes and real question weights, made once and kept in a folder, so that index_bench
// measures the index and not the language model. The files are of this machine and build; they are
// made anew when anything is wrong with them.
//   codes.bin    u32 n_slots, latents, k, n_tokens, n_units; u32 tokens per unit;
//                u16 features [token][slot][k]; u8 activations, likewise
//   units.txt    a unit's text per line
//   queries.bin  u32 n; QueryCodes each
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn::bench {

struct Recording {
    StoreShape shape;
    CodeBatch codes;
    std::vector<uint32_t> unit_tokens;
    std::vector<std::string> unit_texts;
    std::vector<QueryCodes> queries;
};

class File {
  public:
    File(const std::string& path, const char* mode) : file_(std::fopen(path.c_str(), mode)) {}
    ~File() {
        if (file_) std::fclose(file_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    bool ok() const { return good_ && file_ != nullptr; }

    template <class T>
    void put(const T& value) {
        put_array(&value, 1);
    }
    template <class T>
    void put_array(const T* values, size_t n) {
        good_ = ok() && std::fwrite(values, sizeof(T), n, file_) == n;
    }
    template <class T>
    T get() {
        T value{};
        get_array(&value, 1);
        return value;
    }
    template <class T>
    void get_array(T* values, size_t n) {
        good_ = ok() && std::fread(values, sizeof(T), n, file_) == n;
    }

  private:
    std::FILE* file_;
    bool good_ = true;
};

inline Error unreadable(const std::string& path) {
    return make_error(ErrorCode::kCorrupt, "'" + path + "' is not a whole recording");
}

inline Status write_codes(const std::string& path, const Recording& recording) {
    File file(path, "wb");
    const StoreShape& shape = recording.shape;
    const uint32_t header[] = {shape.n_slots, shape.latents, shape.k, recording.codes.n_tokens,
                               static_cast<uint32_t>(recording.unit_tokens.size())};
    file.put_array(header, 5);
    file.put_array(recording.unit_tokens.data(), recording.unit_tokens.size());
    file.put_array(recording.codes.feature.data(), recording.codes.feature.size());
    file.put_array(recording.codes.activation.data(), recording.codes.activation.size());
    return file.ok() ? Status{} : Status{unreadable(path)};
}

inline Status read_codes(const std::string& path, Recording& recording) {
    File file(path, "rb");
    uint32_t header[5] = {};
    file.get_array(header, 5);
    if (!file.ok() || header[3] == 0 || header[4] == 0) return unreadable(path);
    recording.shape = {header[0], header[1], header[2]};
    recording.codes.n_tokens = header[3];
    recording.codes.n_slots = header[0];
    recording.codes.k = header[2];
    recording.unit_tokens.resize(header[4]);
    file.get_array(recording.unit_tokens.data(), header[4]);
    const size_t n = size_t{header[3]} * header[0] * header[2];
    recording.codes.feature.resize(n);
    recording.codes.activation.resize(n);
    file.get_array(recording.codes.feature.data(), n);
    file.get_array(recording.codes.activation.data(), n);
    return file.ok() ? Status{} : Status{unreadable(path)};
}

inline Status write_queries(const std::string& path, const std::vector<QueryCodes>& queries) {
    File file(path, "wb");
    file.put(static_cast<uint32_t>(queries.size()));
    for (const QueryCodes& query : queries) {
        file.put(query.n_tokens);
        file.put(query.latents);
        file.put(static_cast<uint32_t>(query.heads.size()));
        for (const QueryCodes::Head& head : query.heads) {
            file.put(head.slot);
            file.put(head.temperature);
            file.put(head.mixture);
            file.put_array(head.weight.data(), head.weight.size());
            file.put_array(head.token_share.data(), head.token_share.size());
        }
    }
    return file.ok() ? Status{} : Status{unreadable(path)};
}

inline Result<std::vector<QueryCodes>> read_queries(const std::string& path) {
    File file(path, "rb");
    std::vector<QueryCodes> queries(file.get<uint32_t>());
    for (QueryCodes& query : queries) {
        query.n_tokens = file.get<uint32_t>();
        query.latents = file.get<uint32_t>();
        query.heads.resize(file.get<uint32_t>());
        if (!file.ok()) return unreadable(path);
        for (QueryCodes::Head& head : query.heads) {
            head.slot = file.get<uint32_t>();
            head.temperature = file.get<float>();
            head.mixture = file.get<float>();
            head.weight.resize(size_t{query.latents} * query.n_tokens);
            head.token_share.resize(query.n_tokens);
            file.get_array(head.weight.data(), head.weight.size());
            file.get_array(head.token_share.data(), head.token_share.size());
        }
    }
    if (!file.ok()) return unreadable(path);
    return queries;
}

}  // namespace s3attn::bench
