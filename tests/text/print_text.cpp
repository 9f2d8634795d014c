// Prints what is read of a document, notes to standard error: for scripts/completeness.py.
#include <cstdio>

#include "s3attn/ocr.h"
#include "text/document_reader.h"

int main(int argc, char** argv) {
    using namespace s3attn;
    if (argc != 2) {
        std::fprintf(stderr, "usage: print_text FILE\n");
        return 2;
    }
    set_ocr(without_ocr());
    const auto reader = open_document(argv[1], ReaderOptions());
    if (!reader.ok()) {
        std::fprintf(stderr, "%s\n", reader.error().message.c_str());
        return 1;
    }
    for (Unit unit;;) {
        const auto more = (*reader)->next(unit);
        if (!more.ok()) {
            std::fprintf(stderr, "%s\n", more.error().message.c_str());
            return 1;
        }
        if (!*more) break;
        std::fwrite(unit.gap.data(), 1, unit.gap.size(), stdout);
        std::fwrite(unit.text.data(), 1, unit.text.size(), stdout);
    }
    for (const ReadNote& note : (*reader)->header().notes) {
        std::fprintf(stderr, "%s\n", note.text().c_str());
    }
    return 0;
}
