// Which files of a folder git ignores, by git itself: .gitignore files, .git/info/exclude and the
// user's own. What a repository tracks is not ignored. Folders in no repository have their
// .gitignore files followed all the same.
#pragma once

#include <string>
#include <vector>

#include "s3attn/index_report.h"

namespace s3attn::apps {

// `paths` lie in `root`, some of them perhaps behind links. The indices of those that are ignored,
// ascending. What git could not tell is said in a note, and then nothing of it is ignored.
std::vector<size_t> find_ignored(const std::string& root, const std::vector<std::string>& paths,
                                 std::vector<ReadNote>& notes);

}  // namespace s3attn::apps
