#include "cmd_eval.h"

#include <map>
#include <vector>

namespace s3attn::cli {

void add_eval_command(Context& context) {
    CLI::App* eval = add_command(
        context, "eval", "Measure retrieval and answers against baselines",
        "Example: s3attn eval retrieval --data dev.jsonl --out runs/dev --methods bm25,hybrid");
    eval->require_subcommand(1);
    add_eval_retrieval(context, *eval);
    add_eval_answers(context, *eval);
    add_eval_quotes(context, *eval);
    add_eval_score(context, *eval);
    add_eval_compare(context, *eval);
    add_eval_report(context, *eval);
}

void add_format_option(CLI::App& command, eval::DatasetOptions& data, const std::string& of_what) {
    std::vector<std::string> formats = eval::dataset_formats();
    formats.insert(formats.begin(), "auto");
    command.add_option("--format", data.format, of_what + " (auto: by its first record)")
        ->check(CLI::IsMember(formats))
        ->type_name("NAME")
        ->capture_default_str();
    command
        .add_option_function<std::string>(
            "--offsets",
            [&data](const std::string& what) {
                data.offsets = what == "chars" ? eval::Offsets::kChars : eval::Offsets::kBytes;
            },
            "what the offsets of plain records count: bytes of the UTF-8 text, or characters")
        ->check(CLI::IsMember({"bytes", "chars"}))
        ->default_str("bytes")
        ->type_name("WHAT");
}

CLI::Option* add_haystack_option(CLI::App& command, eval::DatasetOptions& data,
                                 const std::string& description) {
    static const std::map<std::string, eval::Haystack> haystacks{
        {"pooled", eval::Haystack::kPooled}, {"own", eval::Haystack::kOwn}};
    return command
        .add_option_function<std::string>(
            "--haystack", [&data](const std::string& name) { data.haystack = haystacks.at(name); },
            description)
        ->check(CLI::IsMember({"pooled", "own"}))
        ->type_name("KIND");
}

}  // namespace s3attn::cli
