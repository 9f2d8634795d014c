// A store that is being made under another name, until it is whole.
#pragma once

#include <memory>
#include <string>

#include "s3attn/result.h"
#include "store/writer_lock.h"

namespace s3attn {

// rename(2) that never replaces anything. `from` and `to` lie on one file system.
Status rename_to_new(const std::string& from, const std::string& to);

// The directory TARGET.importing. What a process that died left in one is removed, unless it holds
// files that are not ours; two at a time for one target are refused (kBusy).
class StagingDirectory {
  public:
    // kInvalidArgument when there is something named `target` already.
    static Result<std::unique_ptr<StagingDirectory>> create(const std::string& target);
    ~StagingDirectory();  // removes it unless published
    StagingDirectory(const StagingDirectory&) = delete;
    StagingDirectory& operator=(const StagingDirectory&) = delete;

    const std::string& path() const { return path_; }
    // Everything in it is durable; now give it its name.
    Status publish();

  private:
    StagingDirectory(std::string target, std::string path)
        : target_(std::move(target)), path_(std::move(path)) {}
    Status remove_files() const;

    std::string target_, path_;
    std::unique_ptr<WriterLock> lock_;
    bool published_ = false;
};

}  // namespace s3attn
