// Pages of PDFs as images, and where on them a passage stands.
#include <algorithm>

#include "original.h"
#include "render.h"
#include "routes.h"
#include "s3attn/store.h"
#include "text/pdf_page.h"
#include "text_range.h"

namespace s3attn::server {
namespace {

// A few widths alone, so that what was drawn serves again.
constexpr uint64_t kNarrowest = 400, kWidest = 2000, kStep = 400, kUsualWidth = 800;
constexpr uint64_t kMostPassageBytes = 64 << 10;

uint64_t width_to_draw(uint64_t wanted) {
    const uint64_t width = std::clamp(wanted, kNarrowest, kWidest);
    return (width + kStep - 1) / kStep * kStep;
}

double part_of(float value, float whole) {
    return whole > 0 ? std::clamp(static_cast<double>(value / whole), 0.0, 1.0) : 0;
}

Json view_json(uint32_t page, const text::PdfPageView& view) {
    Json json = {{"page", page},
                 {"pages", view.pages},
                 {"width", view.width},
                 {"height", view.height},
                 {"boxes", Json::array()}};
    for (const text::PdfBox& box : view.marked) {
        json["boxes"].push_back({part_of(box.left, view.width), part_of(box.top, view.height),
                                 part_of(box.right, view.width), part_of(box.bottom, view.height)});
    }
    return json;
}

struct PageOfPdf {
    std::string store_path;
    DocumentInfo document;
    text::PdfPageRequest request;
    std::string name;  // of what is kept of it
    Original original;
};

Outcome<PageOfPdf> page_of(const std::string& store_path, const std::string& name,
                           const DocumentInfo& document, const std::string& page) {
    if (document.format != "pdf") {
        return Failure{404, "no_pages",
                       "only PDFs have pages to look at; this document is " + document.format, "",
                       0};
    }
    auto opened = open_original(document);
    if (const auto* failure = std::get_if<Failure>(&opened)) return *failure;
    PageOfPdf of;
    of.store_path = store_path;
    of.document = document;
    of.original = std::get<Original>(std::move(opened));
    of.request.file = of.original.file->get();
    of.request.name = name;
    of.request.page =
        page.size() > 7 ? 10'000'000 : std::max(1u, static_cast<uint32_t>(std::stoul(page)));
    of.name = document.source_hash + "/" + std::to_string(of.request.page);
    return of;
}

Outcome<std::string> passage_of(const PageOfPdf& of, uint64_t begin, uint64_t end) {
    if (end <= begin) return std::string();
    const auto there = Store::open(of.store_path);
    if (!there.ok()) return failure_of(there.error());
    const auto range = there->read_range(of.document.doc_id, begin, end, kMostPassageBytes);
    if (!range.ok()) return failure_of(range.error());
    uint64_t from = begin, to = end;
    return slice(*range, from, to);
}

}  // namespace

void HttpApi::Routes::view_page(const Request& request, Response& response, bool image) {
    const auto named = named_document(request);
    if (const auto* failure = std::get_if<Failure>(&named)) {
        return send_failure(response, *failure);
    }
    const auto& [store, document] = std::get<std::pair<size_t, DocumentInfo>>(named);
    const auto begin = query_number(request, "begin", 0), end = query_number(request, "end", 0);
    const auto width = query_number(request, "width", kUsualWidth);
    if (!begin || !end || !width) {
        return send_failure(
            response, bad_request("begin, end and width are whole numbers", !width  ? "width"
                                                                            : begin ? "end"
                                                                                    : "begin"));
    }
    auto found =
        page_of(service_.stores()[store].path, service_.stores().name_of(store, document.path),
                document, request.matches[2]);
    if (const auto* failure = std::get_if<Failure>(&found)) return send_failure(response, *failure);
    const PageOfPdf& of = std::get<PageOfPdf>(found);
    const uint64_t drawn_width = width_to_draw(*width);
    const auto draw = [&]() -> Outcome<std::string> {
        auto drawn = text::draw_pdf_page(of.request, static_cast<uint32_t>(drawn_width));
        if (!drawn.ok()) return failure_of(drawn.error());
        return *std::move(drawn);
    };
    const auto look = [&]() -> Outcome<std::string> {
        const auto passage = passage_of(of, *begin, *end);
        if (const auto* failure = std::get_if<Failure>(&passage)) return *failure;
        const auto view = text::view_pdf_page(of.request, std::get<std::string>(passage));
        if (!view.ok()) return failure_of(view.error());
        return dump(view_json(of.request.page, *view));
    };
    const auto page =
        image ? page_cache_.get(of.name + "/w" + std::to_string(drawn_width), draw)
              : page_cache_.get(of.name + "/" + std::to_string(document.doc_id.value) + "/" +
                                    std::to_string(*begin) + "-" + std::to_string(*end),
                                look);
    if (const auto* failure = std::get_if<Failure>(&page)) return send_failure(response, *failure);
    const auto bytes = std::get<PageCache::Bytes>(page);
    response.set_content(bytes->data(), bytes->size(), image ? "image/png" : "application/json");
}

void HttpApi::Routes::add_page_images() {
    server_.Get("/v1/documents/([^/]+)/pages/([0-9]+)",
                [this](const Request& request, Response& response) {
                    view_page(request, response, false);
                });
    server_.Get(
        "/v1/documents/([^/]+)/pages/([0-9]+)/image",
        [this](const Request& request, Response& response) { view_page(request, response, true); });
}

}  // namespace s3attn::server
