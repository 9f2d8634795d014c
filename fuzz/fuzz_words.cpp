// Text of any bytes: words whose offsets slice it, and a word index that holds it and lets it go.
#include <string_view>

#include "store/sqlite.h"
#include "target.h"
#include "text/word_cutter.h"

namespace s3attn::fuzz {
namespace {

void check_index(std::string_view text) {
    static const auto db = [] {
        auto made = Database::open("", Database::Mode::kTemporary);
        if (!made.ok() ||
            !(*made)->exec("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 's3words')").ok()) {
            fail("no word index can be made");
        }
        return std::move(*made);
    }();
    auto insert = db->prepare("INSERT INTO t(x) VALUES (?1)");
    if (!insert.ok() || !insert->bind(1, text).run().ok()) fail("the text cannot be indexed");
    if (!db->exec("INSERT INTO t(t) VALUES ('integrity-check')").ok())
        fail("other words came back");
    if (!db->exec("DELETE FROM t; INSERT INTO t(t) VALUES ('integrity-check')").ok()) {
        fail("the text cannot be taken out");
    }
}

}  // namespace

std::vector<std::string> seeds() {
    return {
        "The scienti\uFB01c o\uFB03cer keeps the quadr-\nangle.",
        "\u5317\u4EAC\u5927\u5B66 \u0E20\u0E32\u0E29\u0E32\u0E44\u0E17\u0E22 \u3071\u3093",
        "Nguye\u0302\u0303n 10\u2076 1\u00BD \u00AD\n\u200B\u2060 \uFDFA",
        "\u0414\u043E\u043C\u0430 \u0627\u0644\u0652\u0643\u062A\u0627\u0628 \u1112\u1161\u11AB",
        "a\xff"
        "b\xC3-\n\xF0\x9F\xED\xA0\x80"};
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    text::WordCutter().cut(bytes, [&](const text::Word& word) {
        if (word.form.empty() || word.begin >= word.end || word.end > bytes.size()) {
            fuzz::fail("a word that is no slice of the text");
        }
        return true;
    });
    fuzz::check_index(bytes);
    return 0;
}
