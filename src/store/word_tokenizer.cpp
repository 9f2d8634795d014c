#include "store/word_tokenizer.h"

#include <sqlite3.h>

#include <exception>
#include <utility>

#include "s3attn/reason.h"
#include "store/word_ranking.h"

namespace s3attn {
namespace {

constexpr char kBetweenReadings = '\x1f';
constexpr char kWholeName[] = "s3whole";
constexpr int64_t kTermsVersion = 1;  // of the rules here and in src/text

using OnToken = int (*)(void*, int, const char*, int, int, int);

Result<fts5_api*> find_fts5(Database& db) {
    fts5_api* api = nullptr;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db.handle(), "SELECT fts5(?1)", -1, &statement, nullptr) != SQLITE_OK) {
        return sqlite_error(db.handle(), db.path());
    }
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", nullptr);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (api == nullptr) {
        return make_error(ErrorCode::kUnsupported, "this SQLite library has no FTS5");
    }
    return api;
}

// A tokenizer that takes its text for one word: the parent of FTS5's Porter stemmer, so that this
// stems single words.
int make_whole(void*, const char**, int, Fts5Tokenizer** out) {
    *out = reinterpret_cast<Fts5Tokenizer*>(new (std::nothrow) char);
    return *out != nullptr ? SQLITE_OK : SQLITE_NOMEM;
}
void drop_whole(Fts5Tokenizer* whole) { delete reinterpret_cast<char*>(whole); }
int cut_whole(Fts5Tokenizer*, void* context, int, const char* text, int length, OnToken on_token) {
    return on_token(context, 0, text, length, 0, length);
}

int take_stem(void* stem, int, const char* token, int length, int, int) {
    try {
        static_cast<std::string*>(stem)->assign(token, static_cast<size_t>(length));
    } catch (const std::exception&) {
        return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

}  // namespace

// FTS5's own, so that English terms are what "porter unicode61" makes of them.
struct TermMaker::Porter {
    fts5_tokenizer calls{};
    Fts5Tokenizer* instance = nullptr;

    ~Porter() {
        if (instance != nullptr) calls.xDelete(instance);
    }
    static std::unique_ptr<Porter> make(fts5_api* api) {
        auto porter = std::make_unique<Porter>();
        void* context = nullptr;
        const char* parent = kWholeName;
        if (api->xFindTokenizer(api, "porter", &context, &porter->calls) != SQLITE_OK ||
            porter->calls.xCreate(context, &parent, 1, &porter->instance) != SQLITE_OK) {
            return nullptr;
        }
        return porter;
    }
    std::string stem(const std::string& word) {
        std::string stem = word;
        calls.xTokenize(instance, &stem, FTS5_TOKENIZE_DOCUMENT, word.data(),
                        static_cast<int>(word.size()), take_stem);
        return stem;
    }
};

TermMaker::TermMaker(std::unique_ptr<Porter> porter) : porter_(std::move(porter)) {}
TermMaker::~TermMaker() = default;

Result<std::unique_ptr<TermMaker>> TermMaker::make(Database& db) {
    S3ATTN_TRY(fts5_api * api, find_fts5(db));
    auto porter = Porter::make(api);
    if (!porter) {
        return make_error(ErrorCode::kExhausted, reason::kNoMemory, {}, "out of memory");
    }
    return std::unique_ptr<TermMaker>(new TermMaker(std::move(porter)));
}

std::string TermMaker::term(const text::Word& word, std::string_view language) {
    if (language == "en") return porter_->stem(text::without_marks(word.form));
    return stemmers_.stem(word.form, language);
}

// What FTS5 holds of a table's tokenizer.
class WordTokenizer {
  public:
    explicit WordTokenizer(std::unique_ptr<TermMaker::Porter> porter) : terms_(std::move(porter)) {}

    static int create(void* api, const char**, int, Fts5Tokenizer** out) {
        try {
            auto porter = TermMaker::Porter::make(static_cast<fts5_api*>(api));
            if (!porter) return SQLITE_NOMEM;  // every FTS5 has it
            *out = reinterpret_cast<Fts5Tokenizer*>(new WordTokenizer(std::move(porter)));
            return SQLITE_OK;
        } catch (const std::exception&) {
            return SQLITE_NOMEM;
        }
    }
    static void drop(Fts5Tokenizer* tokenizer) {
        delete reinterpret_cast<WordTokenizer*>(tokenizer);
    }
    static int cut(Fts5Tokenizer* tokenizer, void* context, int flags, const char* text, int length,
                   OnToken on_token) {
        const std::string_view bytes(text != nullptr ? text : "", static_cast<size_t>(length));
        try {
            if ((flags & FTS5_TOKENIZE_QUERY) != 0) return give_readings(bytes, context, on_token);
            return reinterpret_cast<WordTokenizer*>(tokenizer)->give(bytes, context, on_token);
        } catch (const std::exception&) {  // no memory
            return SQLITE_NOMEM;
        }
    }

  private:
    static int give_readings(std::string_view text, void* context, OnToken on_token) {
        int flags = 0;
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find(kBetweenReadings, at), text.size());
            if (end > at) {
                const int rc =
                    on_token(context, flags, text.data() + at, static_cast<int>(end - at),
                             static_cast<int>(at), static_cast<int>(end));
                if (rc != SQLITE_OK) return rc;
                flags = FTS5_TOKEN_COLOCATED;
            }
            at = end + 1;
        }
        return SQLITE_OK;
    }

    int give(std::string_view text, void* context, OnToken on_token) {
        const std::string language = text::detect_language(text);
        std::string mark;
        int rc = SQLITE_OK;
        terms_.cutter().cut(text, [&](const text::Word& word) {
            const std::string_view stemmed_as = text::language_of_word(word.script, language);
            const auto send = [&](const std::string& term, bool again) {
                rc = on_token(context, again ? FTS5_TOKEN_COLOCATED : 0, term.data(),
                              static_cast<int>(term.size()), static_cast<int>(word.begin),
                              static_cast<int>(word.end));
                return rc == SQLITE_OK;
            };
            if (!send(terms_.term(word, stemmed_as), word.again)) return false;
            if (mark.empty() && stemmed_as == language &&
                stemmed_as != text::default_language(word.script)) {
                mark = kLanguageMark + language;
                return send(mark, true);
            }
            return true;
        });
        return rc;
    }

    TermMaker terms_;
};

Status register_word_tokenizer(Database& db) {
    S3ATTN_TRY(fts5_api * api, find_fts5(db));
    fts5_tokenizer whole{make_whole, drop_whole, cut_whole};
    fts5_tokenizer words{WordTokenizer::create, WordTokenizer::drop, WordTokenizer::cut};
    if (api->xCreateTokenizer(api, kWholeName, nullptr, &whole, nullptr) != SQLITE_OK ||
        api->xCreateTokenizer(api, "s3words", api, &words, nullptr) != SQLITE_OK) {
        return sqlite_error(db.handle(), db.path());
    }
    return register_word_ranking(db, api);
}

int64_t word_index_version() {
    return kTermsVersion * 1'000'000 + static_cast<int64_t>(text::word_tables_version());
}

std::string query_phrase(const std::vector<std::string>& terms) {
    std::string phrase = "\"";
    for (const std::string& term : terms) {
        if (phrase.size() > 1) phrase += kBetweenReadings;
        phrase += term;  // letters and digits only: nothing to escape
    }
    return phrase += '"';
}

}  // namespace s3attn
