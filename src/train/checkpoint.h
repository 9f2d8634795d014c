// Finished parts of a training run in a directory, so that a killed run goes on where it was.
//
// One file per part ("heads-0", "keys-L5-H2", "sae-L5-H2-F4096-k8", ...): a line of JSON that says
// what the part was made from and how many bytes follow, then the bytes. A file gets its name only
// when it is complete (rename), and counts only where everything it was made from is the same now:
// a changed option, model or corpus never leaks into a result.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

// (field, value): what a part depends on, in the order in which differences are reported.
using Origin = std::vector<std::pair<std::string, std::string>>;

class Checkpoints {
  public:
    Checkpoints() = default;  // keeps nothing
    // Makes the directory, or takes up one of an earlier run. kInvalidArgument when it holds
    // anything else; kBusy while another run works in it.
    static Result<Checkpoints> open(const std::string& directory, ProgressSink& sink);
    Checkpoints(Checkpoints&& other) noexcept;
    Checkpoints& operator=(Checkpoints&& other) noexcept;
    ~Checkpoints();

    bool enabled() const { return !directory_.empty(); }
    const std::string& directory() const { return directory_; }
    // The bytes of a part made from exactly this; otherwise nothing, and a note says which field
    // differs or that the file is damaged.
    std::optional<std::string> load(const std::string& part, const Origin& origin);
    Status save(const std::string& part, const Origin& origin, std::string_view bytes);
    // Removes all parts, and the directory if nothing else is in it: the run is finished.
    void remove();

  private:
    void release();
    std::string directory_;
    Descriptor lock_;
    ProgressSink* sink_ = nullptr;
    bool said_resumed_ = false;
};

// Numbers and vectors to bytes and back. Reading past the end gives zeros and ok() == false.
class ByteWriter {
  public:
    template <class T>
    void number(T value) {
        static_assert(std::is_arithmetic_v<T>);
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    template <class T>
    void numbers(const std::vector<T>& values) {
        static_assert(std::is_arithmetic_v<T>);
        number(static_cast<uint64_t>(values.size()));
        bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    }
    void text(const std::string& value) {
        number(static_cast<uint64_t>(value.size()));
        bytes_ += value;
    }
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
    template <class T>
    T number() {
        T value{};
        take(&value, sizeof value);
        return value;
    }
    template <class T>
    std::vector<T> numbers() {
        const auto n = number<uint64_t>();
        if (n > rest_.size() / sizeof(T)) ok_ = false;
        std::vector<T> values(ok_ ? n : 0);
        take(values.data(), values.size() * sizeof(T));
        return values;
    }
    std::string text() {
        const std::vector<char> values = numbers<char>();
        return {values.begin(), values.end()};
    }
    bool ok() const { return ok_; }

  private:
    void take(void* out, size_t n) {
        if (n > rest_.size()) ok_ = false;
        if (!ok_ || n == 0) return;
        std::memcpy(out, rest_.data(), n);
        rest_.remove_prefix(n);
    }
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace s3attn
