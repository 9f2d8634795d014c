// Options that other options leave nothing to do: said, never passed over in silence.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <vector>

namespace s3attn::cli {

class IdleOptions {
  public:
    explicit IdleOptions(const CLI::App& command) : command_(command) {}

    // Where `idle`, notes those of the options that were given: "--rounds <why>".
    void when(bool idle, const std::string& why, std::initializer_list<const char*> options);
    // What each of eval's ranking options needs: a method that ranks by attention, a second round.
    void note_ranking(const std::vector<std::string>& methods, uint32_t rounds);
    void print(bool quiet) const;  // one note a line

  private:
    const CLI::App& command_;
    std::vector<std::string> notes_;
};

}  // namespace s3attn::cli
