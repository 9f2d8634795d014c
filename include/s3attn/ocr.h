// Recognition of the letters in pictures (OCR): of scanned pages of PDFs, PNG, JPEG and TIFF files,
// by tesseract, which runs as a child where it is installed. One setting for the whole process, so
// a program decides about it, never the library. Without a call: on, with the languages that are
// installed, and nothing is kept.
#pragma once

#include <functional>
#include <string>

#include "s3attn/result.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

struct OcrSettings {
    bool on = true;
    std::string languages;  // "eng+deu", as tesseract names them; empty: all that are installed
    bool pictures = false;  // PNG and JPEG files in folders too, not only those that are named
    std::string cache_dir;  // where read pages are kept, so that an interrupted run goes on behind
                            // them; empty: they are not
    std::function<bool()> stop;  // asked between pages: whether to give up (kCancelled)
};
inline OcrSettings without_ocr() {
    OcrSettings off;
    off.on = false;
    return off;
}
// Not to be called while documents are read.
void set_ocr(OcrSettings settings);

// Whether tesseract is there and has these languages; kNotFound says what to install.
Status check_ocr(const std::string& languages);

}  // namespace s3attn
#pragma GCC visibility pop
