#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <vector>

#include "answer/answer.h"
#include "commands.h"
#include "file_store.h"
#include "output.h"
#include "query_output.h"

namespace s3attn::cli {
namespace {

// The engine, and the store that is asked: one that was named, or that of the files that were.
struct Source {
    std::unique_ptr<Engine> engine;
    Store store;
    std::optional<FileStore> files;
};

Result<Source> open_source(const QueryArguments& arguments, const EngineOptions& engine_options,
                           const GlobalOptions& options, const CancelToken& cancel) {
    S3ATTN_TRY(auto engine, open_engine(engine_options));
    if (names_a_store(arguments.documents)) {
        S3ATTN_TRY(Store store, Store::open(arguments.documents.front()));
        return Source{std::move(engine), std::move(store), std::nullopt};
    }
    S3ATTN_TRY(FileStore files, open_file_store(*engine, arguments.documents, options, cancel));
    for (const std::string& problem : files.problems) {
        std::fprintf(stderr, "not read: %s\n", problem.c_str());
    }
    Store store = std::move(files.store);
    return Source{std::move(engine), std::move(store), std::move(files)};
}

// Of files that are in no store: what could not be read of them, and whether they had to be read.
void add_files(const Source& source, Json& json) {
    if (!source.files.has_value()) return;
    json["files"] = {{"from_cache", source.files->from_cache},
                     {"store", source.store.directory()},
                     {"not_read", source.files->problems}};
}

int run_search(const QueryArguments& arguments, const GlobalOptions& options,
               const CancelToken& cancel) {
    auto source = open_source(arguments, options.engine, options, cancel);
    if (!source.ok()) return fail(source.error());
    SearchOptions search = arguments.search;
    search.cancel = &cancel;
    auto result = source->engine->search(source->store, arguments.question, search);
    if (!result.ok()) return fail(result.error());
    print_explain(*result);
    if (options.json) {
        Json json = to_json(*result);
        add_files(*source, json);
        std::printf("%s\n", dump(json, 2).c_str());
    } else {
        print_search(*result);
    }
    return 0;
}

// One question of a JSON Lines file: {"question": "...", "id": anything}.
Json answer_line(Source& source, const QueryArguments& arguments, const std::string& line,
                 size_t number, const CancelToken& cancel, bool& failed) {
    Json out;
    const Json parsed = Json::parse(line, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("question") || !parsed["question"].is_string()) {
        failed = true;
        out["error"] = fmt::format("{}, line {}: expected an object with a \"question\" string",
                                   arguments.questions_file, number);
        return out;
    }
    SearchOptions search = arguments.search;
    search.cancel = &cancel;
    auto result =
        source.engine->search(source.store, parsed["question"].get<std::string>(), search);
    if (result.ok()) {
        print_explain(*result);
        out = to_json(*result);
    } else {
        failed = true;
        out["question"] = parsed["question"];
        out["error"] = result.error().message;
    }
    if (parsed.contains("id")) out["id"] = parsed["id"];
    return out;
}

int run_search_file(const QueryArguments& arguments, const GlobalOptions& options,
                    const CancelToken& cancel) {
    std::ifstream file;
    if (arguments.questions_file != "-") {
        file.open(arguments.questions_file);
        if (!file) {
            return fail(make_error(ErrorCode::kNotFound, "cannot open questions file '" +
                                                             arguments.questions_file + "'"));
        }
    }
    std::istream& input = arguments.questions_file == "-" ? std::cin : file;
    auto source = open_source(arguments, options.engine, options, cancel);
    if (!source.ok()) return fail(source.error());
    bool failed = false;
    std::string line;
    for (size_t number = 1; std::getline(input, line); ++number) {
        if (cancel.cancelled()) return 1;
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const Json out = answer_line(*source, arguments, line, number, cancel, failed);
        std::printf("%s\n", dump(out, -1).c_str());
        std::fflush(stdout);
    }
    return failed ? 1 : 0;
}

// `history`: of a conversation, which the question and its answer are added to; or null.
int ask_once(Source& source, const QueryArguments& arguments, const std::string& question,
             const GlobalOptions& options, const CancelToken& cancel,
             std::vector<ChatTurn>* history) {
    AskOptions ask = arguments.ask;
    ask.search = arguments.search;
    ask.cancel = &cancel;
    if (history != nullptr) ask.history = *history;
    const auto on_piece = [&](std::string_view piece) {
        if (!options.json) {
            std::fwrite(piece.data(), 1, piece.size(), stdout);
            std::fflush(stdout);
        }
        return !cancel.cancelled();
    };
    const auto on_evidence = [&](const SearchResult& found) {
        print_explain(found);
        if (!options.json) print_quote(found);
    };
    auto result = source.engine->ask(source.store, question, ask, on_piece, on_evidence);
    if (!result.ok()) return fail(result.error());
    if (history != nullptr && result->search.evidence_found) {
        history->push_back({"user", question});
        history->push_back({"assistant", result->answer});
    }
    if (options.json) {
        Json json = to_json(*result);
        add_files(source, json);
        std::printf("%s\n", dump(json, 2).c_str());
        return result->cancelled ? 1 : 0;
    }
    std::printf("\n");
    std::fflush(stdout);  // notes go to another stream: they come behind the answer
    if (result->cancelled) {
        std::fprintf(stderr, "interrupted\n");
        return 1;
    }
    note_cut(*result);
    if (result->history_left_out > 0) {
        std::fprintf(stderr, "note: the reader did not see the oldest %u messages again\n",
                     result->history_left_out);
    }
    if (result->search.evidence_found) {
        print_citations(*result);
        std::printf("\nEvidence (%zu spans, %u of %u tokens):\n", result->search.spans.size(),
                    result->search.used_tokens, result->search.budget_tokens);
        print_spans(result->search, result->numbers);
    }
    std::printf("time to first token %.0f ms, prompt %u tokens, answer %u tokens\n",
                result->ttft_ms, result->prompt_tokens, result->answer_tokens);
    print_rerank(result->search.rerank);
    std::fflush(stdout);
    note_passed_over(result->search);
    print_notes(result->search);
    return 0;
}

// `ask --quote`: nothing is generated, and no reader is loaded.
int run_quote(const QueryArguments& arguments, const GlobalOptions& options,
              const CancelToken& cancel) {
    auto source = open_source(arguments, options.engine, options, cancel);
    if (!source.ok()) return fail(source.error());
    SearchOptions search = arguments.search;
    search.quote = true;
    search.cancel = &cancel;
    auto found = source->engine->search(source->store, arguments.question, search);
    if (!found.ok()) return fail(found.error());
    print_explain(*found);
    if (options.json) {
        Json json = to_json(*found);
        json["quote"] = apps::quote_json(*found);
        add_files(*source, json);
        std::printf("%s\n", dump(json, 2).c_str());
    } else if (found->quote.found) {
        print_quote(*found);
    } else {
        std::printf("%s\n", std::string(no_evidence_answer(found->question)).c_str());
    }
    return 0;
}

int run_ask(const QueryArguments& arguments, const GlobalOptions& options,
            const CancelToken& cancel) {
    if (arguments.quote) return run_quote(arguments, options, cancel);
    const auto engine = with_reader(options);
    if (!engine.ok()) return fail(engine.error());
    auto source = open_source(arguments, *engine, options, cancel);
    if (!source.ok()) return fail(source.error());
    return ask_once(*source, arguments, arguments.question, options, cancel, nullptr);
}

// Waits until a line can be read. False when Ctrl-C came, also just before the wait began.
bool wait_for_line(const CancelToken& cancel) {
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (!cancel.cancelled()) ppoll(&input, 1, nullptr, &before);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return !cancel.cancelled();
}

// Whether a question came; none: the end, or Ctrl-C at the prompt, which brings a new prompt.
bool read_question(bool terminal, CancelToken& cancel, std::string& question) {
    while (terminal) {
        std::printf("\n> ");
        std::fflush(stdout);
        if (wait_for_line(cancel)) break;
        std::fprintf(stderr, "\ninterrupted; an empty line or Ctrl-D ends\n");
        cancel.reset();
    }
    return std::getline(std::cin, question) && !question.empty();
}

int run_chat(const QueryArguments& arguments, const GlobalOptions& options, CancelToken& cancel) {
    const auto engine = with_reader(options);
    if (!engine.ok()) return fail(engine.error());
    auto source = open_source(arguments, *engine, options, cancel);
    if (!source.ok()) return fail(source.error());
    const bool terminal = isatty(STDIN_FILENO);
    if (terminal) {
        std::setvbuf(stdin, nullptr, _IONBF, 0);  // a line is waited for at the descriptor
        std::printf("Ask about %s; an empty line or Ctrl-D ends.\n",
                    arguments.documents.front().c_str());
    }
    int exit_code = 0;
    std::string question;
    std::vector<ChatTurn> history;
    while (!cancel.cancelled()) {
        if (!read_question(terminal, cancel, question)) break;
        // One bad question does not end the conversation, but the exit code tells.
        if (ask_once(*source, arguments, question, options, cancel, &history) != 0) exit_code = 1;
        // An interrupt ends the answer; the prompt comes back.
        if (terminal) cancel.reset();
    }
    return cancel.cancelled() ? 1 : exit_code;
}

void add_answer_options(CLI::App& command, QueryArguments& arguments) {
    command
        .add_option("--max-answer", arguments.ask.max_answer_tokens,
                    "most tokens of the answer (0: what suits the reader, 64 to 256)")
        ->envname("S3ATTN_MAX_ANSWER")
        ->check(CLI::Range(0u, 1u << 16))
        ->capture_default_str()
        ->type_name("TOKENS");
    command
        .add_option("--withhold", arguments.ask.withhold_below,
                    "withhold the answer where the chance that the evidence answers the question "
                    "is below this (0: never; default: as measured for the reader)")
        ->envname("S3ATTN_WITHHOLD")
        ->check(CLI::Range(0.0, 1.0))
        ->type_name("CHANCE");
    command
        .add_option("--temperature", arguments.ask.temperature,
                    "0: always the likeliest token; larger: more varied")
        ->check(CLI::Range(0.0f, 10.0f))
        ->capture_default_str();
    command.add_option("--seed", arguments.ask.seed, "of the sampling, with a temperature above 0")
        ->capture_default_str();
}

void add_documents(CLI::App& command, QueryArguments& arguments) {
    command
        .add_option("store", arguments.documents,
                    "directory of the store; or files and directories that are in none: they are "
                    "read once and kept in the cache")
        ->required();
}

// "ask notes.s3 Who built it": words of the question, not files.
void refuse_unquoted(const QueryArguments& arguments) {
    const auto is_no_file = [](const std::string& word) {
        std::error_code error;
        return word != "-" && !std::filesystem::exists(word, error);
    };
    const auto begin = arguments.documents.begin() + 1;
    if (std::none_of(begin, arguments.documents.end(), is_no_file)) return;
    std::string rest;
    for (auto word = begin + 1; word < arguments.documents.end(); ++word) rest += *word + " ";
    rest += arguments.question;
    throw CLI::ValidationError("unexpected: " + rest +
                               ": a question of several words stands in quotes: \"" + *begin + " " +
                               rest + "\"");
}

// The last of the words that are no options.
bool take_question(QueryArguments& arguments) {
    if (arguments.documents.size() < 2) return false;
    arguments.question = std::move(arguments.documents.back());
    arguments.documents.pop_back();
    if (arguments.documents.size() > 1) refuse_unquoted(arguments);
    return true;
}

void add_search_command(Context& context) {
    auto arguments = std::make_shared<QueryArguments>();
    CLI::App* command = add_command(
        context, "search", "Show the evidence for a question, without an answer",
        "Example: s3attn search notes.s3 \"When was the mill built?\" --budget 512\n"
        "Many questions in one run, one JSON line each (lines {\"question\": \"...\"}):\n"
        "         s3attn search notes.s3 --questions questions.jsonl\n"
        "Files that are in no store: s3attn search report.pdf \"What did it cost?\"");
    add_documents(*command, *arguments);
    command->add_option("question", arguments->question, "what you want to know");
    command
        ->add_option("--questions", arguments->questions_file,
                     "answer every line of this JSON Lines file ('-': standard input)")
        ->type_name("FILE");
    add_search_options(*command, arguments->search);
    add_rerank_options(*command, context.options.engine);
    command->callback([arguments, &context] {
        const bool file = !arguments->questions_file.empty();
        if (!file && !take_question(*arguments)) {
            throw CLI::RequiredError("question (or --questions FILE)");
        }
        context.run = [arguments, &context] {
            return arguments->questions_file.empty()
                       ? run_search(*arguments, context.options, context.cancel)
                       : run_search_file(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace

void add_query_commands(Context& context) {
    auto ask = std::make_shared<QueryArguments>();
    CLI::App* command =
        add_command(context, "ask", "Answer a question from the evidence in a store",
                    "The answer is written from the evidence alone and cites it; where there is\n"
                    "none, the program says so.\n\n"
                    "Example: s3attn ask notes.s3 \"Who built the mill?\" --reader larger.gguf\n"
                    "Without a store, read once and kept in the cache (s3attn cache lists it):\n"
                    "         s3attn ask report.pdf \"What did it cost?\"");
    add_documents(*command, *ask);
    command->add_option("question", ask->question, "what you want to know");
    add_search_options(*command, ask->search);
    add_rerank_options(*command, context.options.engine);
    add_answer_options(*command, *ask);
    command->add_flag(
        "--quote", ask->quote,
        "show the sentence of the documents that answers, and nothing else: no answer "
        "is generated");
    command->callback([ask, &context] {
        if (!take_question(*ask)) throw CLI::RequiredError("question");
        context.run = [ask, &context] { return run_ask(*ask, context.options, context.cancel); };
    });

    add_search_command(context);

    auto chat = std::make_shared<QueryArguments>();
    CLI::App* talk =
        add_command(context, "chat", "Several questions on one store, at a prompt",
                    "Earlier questions and answers are remembered, so that a question may point\n"
                    "back to them. Ctrl-C ends an answer.\n\n"
                    "Example: s3attn chat notes.s3");
    add_documents(*talk, *chat);
    add_search_options(*talk, chat->search);
    add_rerank_options(*talk, context.options.engine);
    add_answer_options(*talk, *chat);
    talk->callback([chat, &context] {
        context.run = [chat, &context] { return run_chat(*chat, context.options, context.cancel); };
    });
}

}  // namespace s3attn::cli
