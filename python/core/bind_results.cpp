// What calls return: read-only records.
#include "bindings.h"
#include "s3attn/engine.h"

namespace s3attn::python {
namespace {

std::string quoted(const std::string& text, size_t most = 60) {
    std::string shown = text.substr(0, most);
    while (shown.size() < text.size() && !shown.empty() && (text[shown.size()] & 0xC0) == 0x80) {
        shown.pop_back();  // whole characters
    }
    return nb::cast<std::string>(
        nb::repr(nb::cast(shown + (shown.size() < text.size() ? "..." : ""))));
}

void bind_documents(nb::module_& m) {
    nb::class_<DocumentInfo>(m, "DocumentInfo", "A document of a store.")
        .def_prop_ro(
            "id", [](const DocumentInfo& d) { return d.doc_id.value; },
            "Number of the document, stable for the life of the store.")
        .def_ro("path", &DocumentInfo::path, "As it was named when it was indexed first.")
        .def_ro("source", &DocumentInfo::source,
                "Which file it is: its canonical path; empty for standard input.")
        .def_ro("format", &DocumentInfo::format, "\"text\", \"markdown\", \"pdf\", ...")
        .def_ro("encoding", &DocumentInfo::encoding, "Of the source, such as \"UTF-8\".")
        .def_prop_ro(
            "offsets", [](const DocumentInfo& d) { return to_string(d.offsets); },
            "What byte offsets count in: \"source\" (bytes of the file) or \"extracted\" "
            "(bytes of the UTF-8 text made of it).")
        .def_ro("source_bytes", &DocumentInfo::source_bytes, "Size of the source in bytes.")
        .def_ro("source_hash", &DocumentInfo::source_hash, "XXH3-128 of the source, hexadecimal.")
        .def_ro("tokens", &DocumentInfo::tokens, "Tokens scanned.")
        .def_ro("units", &DocumentInfo::units, "Passages: paragraphs or blocks of sentences.")
        .def_ro("complete", &DocumentInfo::complete,
                "False where an interrupted run left it partly scanned.")
        .def_ro("indexed_at", &DocumentInfo::indexed_at, "ISO 8601, UTC.")
        .def_ro("title", &DocumentInfo::title, "As the document gives it; \"\" where it has none.")
        .def_ro("date", &DocumentInfo::date, "ISO 8601: the document's own, else the file's.")
        .def_ro("date_of_file", &DocumentInfo::date_of_file, "The date is the file's.")
        .def_ro("properties", &DocumentInfo::properties,
                "What it says about itself: front matter, \"author\", \"subject\" ...")
        .def_ro("described", &DocumentInfo::described,
                "False: indexed by an older version, which kept no headings, titles and dates.")
        .def_ro("missing", &DocumentInfo::missing,
                "In a list of documents: its file is not there any more.")
        .def("__repr__", [](const DocumentInfo& d) {
            return "DocumentInfo(id=" + to_string(d.doc_id) + ", path=" + quoted(d.path, 200) +
                   ", tokens=" + std::to_string(d.tokens) + ")";
        });
    nb::class_<ReadNote>(m, "ReadNote",
                         "What of a document is not in the store as it stands in the source.")
        .def_prop_ro(
            "kind", [](const ReadNote& n) { return to_string(n.kind); },
            "\"converted\" (all is there, in another form), \"left_out\" (not read on "
            "purpose) or \"unread\" (could not be read: a failure).")
        .def_ro("place", &ReadNote::place, "Inside the document; empty: all of it.")
        .def_ro("count", &ReadNote::count, "How many things it speaks of; 0: not counted.")
        .def_ro("message", &ReadNote::message, "Words for a person.")
        .def("__str__", &ReadNote::text)
        .def("__repr__", [](const ReadNote& n) {
            return std::string("ReadNote(kind='") + to_string(n.kind) + "', " +
                   quoted(n.text(), 200) + ")";
        });
    nb::class_<UnitText>(m, "UnitText", "A passage of a document with the white space before it.")
        .def_ro("byte_begin", &UnitText::byte_begin)
        .def_ro("byte_end", &UnitText::byte_end)
        .def_ro("line_begin", &UnitText::line_begin, "0 where the document has pages.")
        .def_ro("line_end", &UnitText::line_end)
        .def_ro("page", &UnitText::page, "0 where the document has lines.")
        .def_ro("gap", &UnitText::gap, "White space in front of the passage.")
        .def_ro("text", &UnitText::text);
    nb::class_<DocumentRange>(m, "DocumentRange", "Part of a document: Store.read().")
        .def_ro("document", &DocumentRange::document)
        .def_ro("units", &DocumentRange::units, "Passages that overlap the range, whole, in order.")
        .def_ro("cut", &DocumentRange::cut, "There is more text than was asked for.");
}

void bind_spans(nb::module_& m) {
    nb::class_<Span>(m, "Span", "A passage that was found: a whole unit of one document.")
        .def_prop_ro("document_id", [](const Span& s) { return s.doc_id.value; })
        .def_ro("path", &Span::path, "Of the document, as Store.list() has it.")
        .def_prop_ro(
            "offsets", [](const Span& s) { return to_string(s.offsets); },
            "What bytes count in: \"source\" or \"extracted\".")
        .def_prop_ro(
            "bytes", [](const Span& s) { return std::pair(s.byte_begin, s.byte_end); },
            "(begin, end) in the document, 0-based, half-open.")
        .def_ro("byte_begin", &Span::byte_begin)
        .def_ro("byte_end", &Span::byte_end)
        .def_prop_ro(
            "lines",
            [](const Span& s) -> std::optional<std::pair<uint32_t, uint32_t>> {
                if (s.line_begin == 0) return std::nullopt;
                return std::pair(s.line_begin, s.line_end);
            },
            "(first, last), 1-based; None where the document has pages.")
        .def_prop_ro(
            "page",
            [](const Span& s) -> std::optional<uint32_t> {
                if (s.page == 0) return std::nullopt;
                return s.page;
            },
            "1-based; None where the document has lines.")
        .def_ro(
            "heading", &Span::heading,
            "Title and headings above it: \"Title > Chapter > Section\"; \"\" where it has none.")
        .def_ro("columns", &Span::columns, "Of the table that its rows are of: \"City | Year\".")
        .def_prop_ro(
            "times",
            [](const Span& s) -> std::optional<std::pair<double, double>> {
                if (s.time_end_ms == 0) return std::nullopt;
                return std::pair(static_cast<double>(s.time_begin_ms) / 1000,
                                 static_cast<double>(s.time_end_ms) / 1000);
            },
            "Of subtitles: (begin, end) in seconds; else None.")
        .def_ro("text", &Span::text, "UTF-8 text of the passage.")
        .def_ro("score", &Span::score, "What the ranking used; larger is better.")
        .def_prop_ro(
            "scores",
            [](const Span& s) {
                std::map<std::string, double> scores;
                for (const VoiceScore& each : s.scores) scores[each.voice] = each.score;
                return scores;
            },
            "What each voice said: \"s3\", the share of all attention; \"bm25\", shared words.")
        .def_ro("tokens", &Span::tokens, "As the budget counts them.")
        .def("__repr__", [](const Span& s) {
            std::string place = s.page > 0 ? ", page=" + std::to_string(s.page)
                                           : ", lines=(" + std::to_string(s.line_begin) + ", " +
                                                 std::to_string(s.line_end) + ")";
            return "Span(path=" + quoted(s.path, 200) + place + ", text=" + quoted(s.text) + ")";
        });
    nb::class_<Quote>(m, "Quote", "The sentence of the evidence that answers, or two, verbatim.")
        .def_ro("found", &Quote::found, "False: there is no evidence to quote.")
        .def_ro("span_index", &Quote::span_index, "Into SearchResult.spans.")
        .def_ro("text", &Quote::text)
        .def_prop_ro(
            "bytes", [](const Quote& q) { return std::pair(q.byte_begin, q.byte_end); },
            "(begin, end) in the document; of the whole span unless exact_bytes.")
        .def_ro("exact_bytes", &Quote::exact_bytes)
        .def_ro("sentences", &Quote::sentences)
        .def_ro("score", &Quote::score, "How likely it holds the answer, 0 to 1.")
        .def("__str__", [](const Quote& q) { return q.text; })
        .def("__repr__", [](const Quote& q) { return "Quote(" + quoted(q.text) + ")"; });
    nb::class_<SearchResult>(m, "SearchResult",
                             "Evidence for a question; iterates over its spans, best first.")
        .def_ro("question", &SearchResult::question)
        .def_ro("method", &SearchResult::method)
        .def_ro("spans", &SearchResult::spans, "In rank order, no text twice.")
        .def_ro("budget_tokens", &SearchResult::budget_tokens)
        .def_ro("used_tokens", &SearchResult::used_tokens, "Sum over the spans.")
        .def_ro("question_tokens", &SearchResult::question_tokens)
        .def_ro("model", &SearchResult::model, "Name of the scanning model.")
        .def_ro("adapter", &SearchResult::adapter, "Name of the adapter.")
        .def_ro("passed_over", &SearchResult::passed_over,
                "Passages ranked above the first span that the budget does not hold.")
        .def_ro("passed_over_tokens", &SearchResult::passed_over_tokens,
                "Tokens that the best of them needs.")
        .def_ro("evidence_found", &SearchResult::evidence_found,
                "False: nothing is above the adapter's calibrated floor.")
        .def_ro("evidence_score", &SearchResult::evidence_score, "What the floor is held against.")
        .def_ro("evidence_floor", &SearchResult::evidence_floor)
        .def_ro("quote", &SearchResult::quote,
                "The sentence that answers, verbatim; with quote=True, and always of ask().")
        .def_ro("timings_ms", &SearchResult::timings_ms, "Stage to milliseconds.")
        .def("__len__", [](const SearchResult& r) { return r.spans.size(); })
        .def(
            "__getitem__",
            [](const SearchResult& r, Py_ssize_t i) -> const Span& {
                const auto n = static_cast<Py_ssize_t>(r.spans.size());
                if (i < 0) i += n;
                if (i < 0 || i >= n) throw nb::index_error("there is no such span");
                return r.spans[static_cast<size_t>(i)];
            },
            nb::rv_policy::reference_internal)
        .def(
            "__iter__",
            [](const SearchResult& r) {
                return nb::make_iterator(nb::type<SearchResult>(), "SpanIterator", r.spans.begin(),
                                         r.spans.end());
            },
            nb::keep_alive<0, 1>())
        .def("__repr__", [](const SearchResult& r) {
            return "SearchResult(" + quoted(r.question) + ", " + std::to_string(r.spans.size()) +
                   " spans)";
        });
}

void bind_answers(nb::module_& m) {
    nb::class_<Citation>(m, "Citation", "A passage that the answer rests on.")
        .def_ro("number", &Citation::number, "As shown in the answer, from 1.")
        .def_ro("span_index", &Citation::span_index, "Into Answer.search.spans.")
        .def("__repr__", [](const Citation& c) {
            return "Citation(number=" + std::to_string(c.number) +
                   ", span_index=" + std::to_string(c.span_index) + ")";
        });
    nb::class_<AnswerSentence>(m, "AnswerSentence", "A sentence of an answer.")
        .def_ro("begin", &AnswerSentence::begin, "First byte in the answer's UTF-8.")
        .def_ro("end", &AnswerSentence::end)
        .def_ro("numbers", &AnswerSentence::numbers, "Shown numbers of the spans that support it.")
        .def_ro("supported", &AnswerSentence::supported);
    nb::class_<UnfoundedWord>(m, "UnfoundedWord",
                              "A number or name of an answer that the evidence does not hold.")
        .def_ro("begin", &UnfoundedWord::begin, "First byte in the answer's UTF-8.")
        .def_ro("end", &UnfoundedWord::end)
        .def_ro("text", &UnfoundedWord::text)
        .def_ro("number", &UnfoundedWord::number, "Else it is a name.");
    nb::class_<AskResult>(m, "Answer", "What the reader wrote, and what it rests on.")
        .def_ro("text", &AskResult::answer)
        .def_ro("search", &AskResult::search, "The evidence.")
        .def_prop_ro(
            "quote", [](const AskResult& r) { return r.search.quote; },
            "The sentence of the evidence that answers, verbatim.")
        .def_ro("reader", &AskResult::reader, "Who wrote it; empty: nobody was asked.")
        .def_ro("answerable", &AskResult::answerable,
                "How likely the evidence answers the question, 0 to 1.")
        .def_ro("withheld", &AskResult::withheld,
                "The evidence was too weak; the answer is a fixed sentence.")
        .def_ro("sentences", &AskResult::sentences, "What supports each sentence.")
        .def_ro("unfounded", &AskResult::unfounded,
                "Numbers and names that stand nowhere in the evidence.")
        .def_ro("cut", &AskResult::cut, "Why it ended before the reader did; empty: it did not.")
        .def_ro("notes", &AskResult::notes, "What was not done as asked.")
        .def_ro("numbers", &AskResult::numbers, "Number shown in the answer, of each span.")
        .def_ro("citations", &AskResult::citations)
        .def_prop_ro(
            "cited",
            [](const AskResult& r) {
                std::vector<Span> spans;
                for (const Citation& c : r.citations) {
                    spans.push_back(r.search.spans[c.span_index]);
                }
                return spans;
            },
            "The spans that the answer cites.")
        .def_ro("prompt_tokens", &AskResult::prompt_tokens)
        .def_ro("answer_tokens", &AskResult::answer_tokens)
        .def_ro("stopped_at_limit", &AskResult::stopped_at_limit, "Cut at max_answer_tokens.")
        .def_ro("cancelled", &AskResult::cancelled, "Cut by the caller.")
        .def_ro("history_left_out", &AskResult::history_left_out,
                "Turns of the conversation that the reader did not see.")
        .def_ro("retrieval_question", &AskResult::retrieval_question, "What was searched for.")
        .def_ro("ttft_ms", &AskResult::ttft_ms, "Question to the first token of the answer.")
        .def_ro("timings_ms", &AskResult::timings_ms, "Stage to milliseconds.")
        .def("__str__", [](const AskResult& r) { return r.answer; })
        .def("__repr__", [](const AskResult& r) {
            return "Answer(" + quoted(r.answer) + ", " + std::to_string(r.citations.size()) +
                   " citations)";
        });
}

void bind_reports(nb::module_& m) {
    nb::class_<FileOutcome>(m, "FileOutcome", "What became of one file.")
        .def_ro("path", &FileOutcome::path)
        .def_prop_ro(
            "kind", [](const FileOutcome& f) { return to_string(f.kind); },
            "\"indexed\", \"replaced\", \"unchanged\", \"resumed\", \"skipped\" or "
            "\"renamed\".")
        .def_ro("reason", &FileOutcome::reason, "Why it was skipped.")
        .def_ro("renamed_from", &FileOutcome::renamed_from)
        .def_prop_ro("document_id", [](const FileOutcome& f) { return f.doc_id.value; })
        .def_ro("tokens", &FileOutcome::tokens, "Scanned in this run.")
        .def_ro("bytes", &FileOutcome::bytes, "Of the source.")
        .def_ro("notes", &FileOutcome::notes)
        .def_prop_ro("partly_read", &FileOutcome::partly_read,
                     "Whether a part of it could not be read.")
        .def("__repr__", [](const FileOutcome& f) {
            return "FileOutcome(path=" + quoted(f.path, 200) + ", kind='" + to_string(f.kind) +
                   (f.reason.empty() ? "'" : "', reason=" + quoted(f.reason, 200)) + ")";
        });
    nb::class_<IndexReport>(m, "IndexReport", "What Engine.index() did.")
        .def_ro("files", &IndexReport::files)
        .def_ro("notes", &IndexReport::notes, "Of the walk through folders.")
        .def_ro("gone", &IndexReport::gone, "Documents whose files are not there any more.")
        .def_ro("pruned", &IndexReport::pruned, "They were dropped.")
        .def_ro("passed_over", &IndexReport::passed_over, "Files not looked at, by kind.")
        .def_ro("tokens", &IndexReport::tokens, "Scanned in this run.")
        .def_ro("seconds", &IndexReport::seconds, "Wall clock, loading of the model excluded.")
        .def_ro("tokens_per_s", &IndexReport::tokens_per_s)
        .def_ro("bytes", &IndexReport::bytes, "Size of the store on disk.")
        .def_ro("bytes_per_token", &IndexReport::bytes_per_token)
        .def_ro("store_tokens", &IndexReport::store_tokens, "All live tokens of the store.")
        .def_ro("peak_rss_bytes", &IndexReport::peak_rss_bytes)
        .def_ro("timings_ms", &IndexReport::timings_ms)
        .def_ro("cancelled", &IndexReport::cancelled, "Stopped; committed work is kept.")
        .def_ro("device", &IndexReport::device)
        .def("__repr__", [](const IndexReport& r) {
            return "IndexReport(" + std::to_string(r.files.size()) + " files, " +
                   std::to_string(r.tokens) + " tokens)";
        });
    nb::class_<VerifyReport>(m, "VerifyReport", "A store whose every byte was read and is right.")
        .def_ro("documents", &VerifyReport::documents)
        .def_ro("units", &VerifyReport::units)
        .def_ro("segments", &VerifyReport::segments)
        .def_ro("postings", &VerifyReport::postings)
        .def_ro("bytes", &VerifyReport::bytes)
        .def_ro("orphans_removed", &VerifyReport::orphans_removed);
    nb::class_<ExportReport>(m, "ExportReport", "What Store.export() wrote.")
        .def_ro("documents", &ExportReport::documents)
        .def_ro("units", &ExportReport::units)
        .def_ro("segments", &ExportReport::segments)
        .def_ro("bytes", &ExportReport::bytes);
    nb::class_<MergeReport>(m, "MergeReport", "What Store.merge() did.")
        .def_ro("added", &MergeReport::added, "Documents.")
        .def_ro("replaced", &MergeReport::replaced)
        .def_ro("unchanged", &MergeReport::unchanged)
        .def_ro("tokens", &MergeReport::tokens, "Copied in this run.")
        .def_ro("documents", &MergeReport::documents, "Of the store after it.")
        .def_ro("store_tokens", &MergeReport::store_tokens)
        .def_ro("bytes", &MergeReport::bytes);
}

}  // namespace

void bind_results(nb::module_& m) {
    bind_documents(m);
    bind_spans(m);
    bind_answers(m);
    bind_reports(m);
}

}  // namespace s3attn::python
