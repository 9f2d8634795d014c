#include "text/zip_repair.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace s3attn::text {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLocal = "PK\x03\x04"sv, kCentral = "PK\x01\x02"sv,
                           kDescriptor = "PK\x07\x08"sv, kEnd = "PK\x05\x06"sv;
constexpr size_t kLocalBytes = 30, kMostEntries = 65535;
constexpr uint32_t kSizesFollow = 8;  // flag: sizes stand behind the data

uint32_t number_at(std::string_view bytes, size_t at, size_t length) {
    uint32_t number = 0;
    for (size_t i = 0; i < length; ++i) {
        number |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    }
    return number;
}

void append_number(std::string& out, uint64_t number, size_t length) {
    for (size_t i = 0; i < length; ++i) out += static_cast<char>(number >> (8 * i));
}

struct Entry {
    uint32_t flags = 0, method = 0, time = 0, checksum = 0, packed = 0, unpacked = 0;
    size_t begin = 0, data = 0;
    std::string_view name;
};

// Where the data of an entry ends whose sizes stand behind it.
void find_sizes(std::string_view bytes, Entry& entry) {
    for (size_t at = bytes.find(kDescriptor, entry.data); at + 16 <= bytes.size();
         at = bytes.find(kDescriptor, at + 1)) {
        if (number_at(bytes, at + 8, 4) != at - entry.data) continue;
        entry.checksum = number_at(bytes, at + 4, 4);
        entry.packed = number_at(bytes, at + 8, 4);
        entry.unpacked = number_at(bytes, at + 12, 4);
        return;
    }
    // Cut off: the rest of the file, up to what is certainly no data of this entry.
    const size_t next = std::min(bytes.find(kLocal, entry.data), bytes.size());
    entry.packed = static_cast<uint32_t>(next - entry.data);
}

// False: what stands at `begin` is no entry.
bool read_entry(std::string_view bytes, size_t begin, Entry& entry) {
    if (bytes.size() - begin < kLocalBytes) return false;
    entry = {};
    entry.begin = begin;
    entry.flags = number_at(bytes, begin + 6, 2);
    entry.method = number_at(bytes, begin + 8, 2);
    entry.time = number_at(bytes, begin + 10, 4);
    entry.checksum = number_at(bytes, begin + 14, 4);
    entry.packed = number_at(bytes, begin + 18, 4);
    entry.unpacked = number_at(bytes, begin + 22, 4);
    const size_t name = number_at(bytes, begin + 26, 2), extra = number_at(bytes, begin + 28, 2);
    entry.data = begin + kLocalBytes + name + extra;
    if (name == 0 || entry.data > bytes.size()) return false;
    entry.name = bytes.substr(begin + kLocalBytes, name);
    if (entry.name.find('\0') != entry.name.npos) return false;
    if ((entry.flags & kSizesFollow) != 0 && entry.packed == 0) find_sizes(bytes, entry);
    if (entry.packed > bytes.size() - entry.data) {
        entry.packed = static_cast<uint32_t>(bytes.size() - entry.data);
    }
    return true;
}

void append_record(std::string& directory, const Entry& entry) {
    directory += kCentral;
    append_number(directory, 20, 2);  // made by
    append_number(directory, 20, 2);  // needed
    append_number(directory, entry.flags & ~kSizesFollow, 2);
    append_number(directory, entry.method, 2);
    append_number(directory, entry.time, 4);
    append_number(directory, entry.checksum, 4);
    append_number(directory, entry.packed, 4);
    append_number(directory, entry.unpacked, 4);
    append_number(directory, entry.name.size(), 2);
    directory.append(12, '\0');  // extra, comment, disk, attributes
    append_number(directory, entry.begin, 4);
    directory += entry.name;
}

}  // namespace

std::string with_new_directory(std::string bytes) {
    std::string directory;
    size_t count = 0, end = 0;
    if (bytes.size() > UINT32_MAX) return {};
    for (size_t at = bytes.find(kLocal); at < bytes.size() && count < kMostEntries;
         at = bytes.find(kLocal, at)) {
        Entry entry;
        if (!read_entry(bytes, at, entry)) {
            at += kLocal.size();
            continue;
        }
        append_record(directory, entry);
        ++count;
        at = end = std::max(entry.data + entry.packed, at + kLocal.size());
    }
    if (count == 0) return {};
    bytes.resize(end);
    const size_t size = directory.size();
    directory += kEnd;
    append_number(directory, 0, 4);  // disks
    append_number(directory, count, 2);
    append_number(directory, count, 2);
    append_number(directory, size, 4);
    append_number(directory, end, 4);
    append_number(directory, 0, 2);  // comment
    return bytes + directory;
}

}  // namespace s3attn::text
