// `s3attn serve --watch`: folders that a served store is kept in step with.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "s3attn/progress.h"
#include "service.h"

namespace s3attn::cli {

// Works on a thread of its own until it goes. Documents are read by the server's scanning thread,
// one at a time among those that clients send, and stand in its list of jobs.
class ServedFolders {
  public:
    // No folders: nothing is done.
    ServedFolders(server::Service& service, std::vector<std::string> folders, bool quiet);
    ~ServedFolders();
    ServedFolders(const ServedFolders&) = delete;
    ServedFolders& operator=(const ServedFolders&) = delete;

  private:
    void run();

    server::Service& service_;
    const std::vector<std::string> folders_;
    const bool quiet_;
    CancelToken cancel_;
    std::thread thread_;
};

}  // namespace s3attn::cli
