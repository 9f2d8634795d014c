// Files that clients send: the document NAME of a store is STORE/uploads/NAME, so that it can be
// read again, an interrupted scan goes on at the next start, and citations name a file that is
// there.
//
// Each upload has a folder of its own, STORE/uploads/.job-*/, from its last byte until its document
// is read: the file waits there as waiting/NAME, and previous/NAME is the earlier version of the
// document while its successor is read. So two uploads of one name never share a file, and one
// that fails or is cancelled leaves what stood before it. No other code removes or moves a file of
// a client; files that the program did not write itself are never touched.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/owned_file.h"
#include "s3attn/engine.h"
#include "s3attn/result.h"

namespace s3attn::server {

// Why a document may not be called so; empty when it may. A name is one path component: no slash,
// no backslash, no control character, no dot in front, valid UTF-8, at most 255 bytes.
std::string problem_of_name(const std::string& name);

// The file of one upload. Not for several threads at once. Destroying it leaves the file for the
// next start to go on with.
class UploadedFile {
  public:
    UploadedFile(std::string folder, std::string name, std::string own_folder, bool in_place)
        : folder_(std::move(folder)),
          name_(std::move(name)),
          own_folder_(std::move(own_folder)),
          in_place_(in_place) {}

    const std::string& name() const { return name_; }
    // Where its document is read from, and what citations name.
    std::string path() const { return folder_ + "/" + name_; }
    // Puts it there; the earlier version of the document stands aside.
    Status take_place();
    bool in_place() const { return in_place_; }
    // Its document is read: the earlier version goes for good.
    void settle();
    // This file goes, the earlier version comes back.
    void withdraw();
    // The earlier version was removed meanwhile and will not come back.
    void forget_earlier();

  private:
    std::string part(const char* folder) const { return own_folder_ + "/" + folder; }
    const std::string folder_, name_;
    const std::string own_folder_;  // empty: none, there is nothing to keep in it
    bool in_place_;
};

// A file on its way in. Until keep() it has a temporary name, and it is gone if that is not called.
class IncomingFile {
  public:
    // Makes `folder` where it is not there.
    static Result<std::unique_ptr<IncomingFile>> create(const std::string& folder);
    Status write(std::string_view bytes);
    uint64_t bytes() const { return bytes_; }
    // Syncs it; it waits for its turn.
    Result<std::shared_ptr<UploadedFile>> keep(const std::string& name);

  private:
    IncomingFile(OwnedFile file, std::string folder)
        : file_(std::move(file)), folder_(std::move(folder)) {}
    OwnedFile file_;
    std::string folder_;
    uint64_t bytes_ = 0;
};

// What an earlier run of the server left in `folder` to be read, by what the store has: first what
// was being read, then what waited, in that order. Removes what was left half received.
std::vector<std::shared_ptr<UploadedFile>> unfinished_uploads(const std::string& folder,
                                                              const std::string& store);

// The document at `path` was removed from the store: its file goes too where it lies in `folder`,
// that is, where it was uploaded.
void remove_uploaded(const std::string& folder, const std::string& path);

}  // namespace s3attn::server
