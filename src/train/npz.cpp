#include "train/npz.h"

#include <zip.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

namespace s3attn {
namespace {

constexpr time_t kNoTime = 315532800;  // 1980, the first that zip can say: same arrays, same bytes

std::string npy_header(const NpzArray& array) {
    std::string shape;
    for (const uint64_t n : array.shape) shape += std::to_string(n) + ", ";
    if (array.shape.size() > 1) shape.resize(shape.size() - 2);
    std::string head =
        "{'descr': '" + array.type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
    // Magic, version, and the header's length: with them a multiple of 64 bytes.
    while ((10 + head.size() + 1) % 64 != 0) head += ' ';
    head += '\n';
    std::string out("\x93NUMPY\x01\x00", 8);
    out += static_cast<char>(head.size() & 0xFF);
    out += static_cast<char>(head.size() >> 8);
    return out + head;
}

// One array as libzip reads it.
class ArraySource {
  public:
    explicit ArraySource(const NpzArray& array) : array_(array), header_(npy_header(array)) {
        zip_error_init(&error_);
    }

    static zip_int64_t call(void* self, void* data, zip_uint64_t n, zip_source_cmd_t command) {
        auto* source = static_cast<ArraySource*>(self);
        switch (command) {
            case ZIP_SOURCE_OPEN: source->at_ = 0; return 0;
            case ZIP_SOURCE_READ: return source->read(static_cast<char*>(data), n);
            case ZIP_SOURCE_CLOSE: return 0;
            case ZIP_SOURCE_STAT: return source->stat(data, n);
            case ZIP_SOURCE_ERROR: return zip_error_to_data(&source->error_, data, n);
            case ZIP_SOURCE_FREE: delete source; return 0;
            case ZIP_SOURCE_SUPPORTS:
                return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ,
                                                      ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                                      ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
            default: zip_error_set(&source->error_, ZIP_ER_OPNOTSUPP, 0); return -1;
        }
    }

  private:
    uint64_t bytes() const { return header_.size() + array_.items() * array_.item_bytes; }

    zip_int64_t read(char* out, zip_uint64_t n) {
        zip_uint64_t done = 0;
        while (done < n && at_ < bytes()) {
            if (at_ < header_.size()) {
                const auto part = std::min<uint64_t>(n - done, header_.size() - at_);
                std::memcpy(out + done, header_.data() + at_, part);
                at_ += part;
                done += part;
                continue;
            }
            const uint64_t offset = at_ - header_.size();
            const uint64_t item = offset / array_.item_bytes;
            if (item < block_begin_ || item >= block_begin_ + block_items_) load(item);
            const uint64_t inside = offset - block_begin_ * array_.item_bytes;
            const auto part =
                std::min<uint64_t>(n - done, block_items_ * array_.item_bytes - inside);
            std::memcpy(out + done, block_.data() + inside, part);
            at_ += part;
            done += part;
        }
        return static_cast<zip_int64_t>(done);
    }

    void load(uint64_t item) {
        constexpr uint64_t kBlock = 1 << 16;
        block_begin_ = item / kBlock * kBlock;
        block_items_ = std::min(kBlock, array_.items() - block_begin_);
        block_.resize(block_items_ * array_.item_bytes);
        array_.fill(block_begin_, block_items_, block_.data());
    }

    zip_int64_t stat(void* data, zip_uint64_t n) {
        zip_stat_t stat;
        if (n < sizeof stat) return -1;
        zip_stat_init(&stat);
        stat.size = bytes();
        stat.mtime = kNoTime;
        stat.valid = ZIP_STAT_SIZE | ZIP_STAT_MTIME;
        std::memcpy(data, &stat, sizeof stat);
        return sizeof stat;
    }

    const NpzArray& array_;
    std::string header_;
    zip_error_t error_{};
    uint64_t at_ = 0, block_begin_ = 0, block_items_ = 0;
    std::vector<char> block_;
};

Error failed(const std::string& path, const char* why) {
    return make_error(ErrorCode::kIo, "cannot write " + path + ": " + why);
}

Status add(zip_t* archive, const NpzArray& array, const std::string& path) {
    auto source = std::make_unique<ArraySource>(array);
    zip_source_t* raw = zip_source_function(archive, &ArraySource::call, source.get());
    if (raw == nullptr) return failed(path, zip_strerror(archive));
    source.release();  // libzip frees it with the source
    const zip_int64_t at =
        zip_file_add(archive, (array.name + ".npy").c_str(), raw, ZIP_FL_ENC_UTF_8);
    if (at < 0) {
        zip_source_free(raw);
        return failed(path, zip_strerror(archive));
    }
    const auto index = static_cast<zip_uint64_t>(at);
    zip_set_file_compression(archive, index, ZIP_CM_STORE, 0);
    zip_file_set_mtime(archive, index, kNoTime, 0);
    return {};
}

}  // namespace

uint64_t NpzArray::items() const {
    uint64_t n = 1;
    for (const uint64_t side : shape) n *= side;
    return n;
}

Status write_npz(const std::string& path, const std::vector<NpzArray>& arrays) {
    int code = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (archive == nullptr) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        const Error message = failed(path, zip_error_strerror(&error));
        zip_error_fini(&error);
        return message;
    }
    for (const NpzArray& array : arrays) {
        if (const Status added = add(archive, array, path); !added.ok()) {
            zip_discard(archive);
            return added;
        }
    }
    if (zip_close(archive) != 0) {
        const Error message = failed(path, zip_strerror(archive));
        zip_discard(archive);
        return message;
    }
    return {};
}

}  // namespace s3attn
