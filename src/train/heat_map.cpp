#include "train/heat_map.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <pugixml.hpp>
#include <sstream>

namespace s3attn {
namespace {

constexpr int kMargin = 16, kCell = 34, kRow = 24, kLeft = 72, kTop = 72, kLegend = 20,
              kLegendSteps = 24;

// Independent of the locale, as XML wants it.
std::string number(double value, int digits) {
    char text[32];
    const auto end =
        std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
    return {text, end.ptr};
}

// Viridis at five points, linear between them.
std::string colour(double share) {
    constexpr int kPoints[5][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    const double at = std::clamp(share, 0.0, 1.0) * 4;
    const int low = std::min(3, static_cast<int>(at));
    std::string text = "rgb(";
    for (int i = 0; i < 3; ++i) {
        const double value = kPoints[low][i] + (at - low) * (kPoints[low + 1][i] - kPoints[low][i]);
        text += number(std::round(value), 0) + (i < 2 ? "," : ")");
    }
    return text;
}

class Drawing {
  public:
    Drawing(int width, int height) {
        svg_ = document_.append_child("svg");
        svg_.append_attribute("xmlns") = "http://www.w3.org/2000/svg";
        svg_.append_attribute("width") = width;
        svg_.append_attribute("height") = height;
        const std::string box = "0 0 " + std::to_string(width) + " " + std::to_string(height);
        svg_.append_attribute("viewBox") = box.c_str();
        svg_.append_attribute("font-family") = "sans-serif";
        svg_.append_attribute("role") = "img";
    }

    void title(const std::string& text) {
        svg_.append_child("title").text().set(text.c_str());
        rectangle(0, 0, svg_.attribute("width").as_int(), svg_.attribute("height").as_int(),
                  "white");
    }

    pugi::xml_node rectangle(int x, int y, int width, int height, const std::string& fill) {
        pugi::xml_node node = svg_.append_child("rect");
        node.append_attribute("x") = x;
        node.append_attribute("y") = y;
        node.append_attribute("width") = width;
        node.append_attribute("height") = height;
        node.append_attribute("fill") = fill.c_str();
        return node;
    }

    void frame(int x, int y, int width, int height) {
        pugi::xml_node node = rectangle(x, y, width, height, "none");
        node.append_attribute("stroke") = "#d62728";
        node.append_attribute("stroke-width") = 3;
    }

    void text(int x, int y, int size, const char* anchor, const std::string& words,
              const char* fill = "#222") {
        pugi::xml_node node = svg_.append_child("text");
        node.append_attribute("x") = x;
        node.append_attribute("y") = y;
        node.append_attribute("font-size") = size;
        node.append_attribute("text-anchor") = anchor;
        node.append_attribute("fill") = fill;
        node.text().set(words.c_str());
    }

    std::string str() const {
        std::ostringstream out;
        document_.save(out, "  ");
        return out.str();
    }

  private:
    pugi::xml_document document_;
    pugi::xml_node svg_;
};

struct Grid {
    uint32_t first_layer = UINT32_MAX, last_layer = 0, heads = 0;
    double best = 0;
    void cover(const HeadId& head) {
        first_layer = std::min(first_layer, head.layer);
        last_layer = std::max(last_layer, head.layer);
        heads = std::max(heads, head.query_head + 1);
    }
    int x(uint32_t head) const { return kLeft + static_cast<int>(head) * kCell; }
    int y(uint32_t layer) const { return kTop + static_cast<int>(layer - first_layer) * kRow; }
    int right() const { return x(heads); }
    int bottom() const { return y(last_layer + 1); }
};

void draw_labels(const Grid& grid, Drawing& drawing) {
    const int middle = (kLeft + grid.right()) / 2;
    drawing.text(middle, kTop - 26, 12, "middle", "query head");
    for (uint32_t h = 0; h < grid.heads; ++h) {
        drawing.text(grid.x(h) + kCell / 2, kTop - 8, 11, "middle", std::to_string(h));
    }
    for (uint32_t layer = grid.first_layer; layer <= grid.last_layer; ++layer) {
        drawing.text(kLeft - 8, grid.y(layer) + 16, 11, "end", "layer " + std::to_string(layer));
    }
}

void draw_legend(const Grid& grid, Drawing& drawing) {
    const int top = grid.bottom() + kLegend, width = 6;
    for (int i = 0; i < kLegendSteps; ++i) {
        drawing.rectangle(kLeft + i * width, top, width, 12,
                          colour(static_cast<double>(i) / (kLegendSteps - 1)));
    }
    const int right = kLeft + kLegendSteps * width;
    drawing.text(kLeft, top + 26, 11, "middle", "0");
    drawing.text(right, top + 26, 11, "middle", number(grid.best, 2));
    drawing.text(right + 10, top + 11, 11, "start", "R@10 of one head");
    drawing.frame(kLeft + 1, top + 38, 18, 12);
    drawing.text(kLeft + 28, top + 48, 11, "start", "chosen");
    drawing.text(kLeft + 90, top + 48, 11, "middle", "×");
    drawing.text(kLeft + 102, top + 48, 11, "start", "cannot be used");
}

}  // namespace

std::string heads_svg(const std::string& model, const std::vector<HeadReport>& ranking,
                      const std::vector<DeadHead>& dead, const std::vector<HeadId>& chosen) {
    Grid grid;
    for (const HeadReport& report : ranking) {
        grid.cover(report.head);
        grid.best = std::max(grid.best, report.recall_at_10);
    }
    for (const DeadHead& report : dead) grid.cover(report.head);
    if (grid.first_layer > grid.last_layer) grid.first_layer = 0;
    const std::string title = "Which heads retrieve: " + model;
    const int title_width = kMargin * 2 + static_cast<int>(title.size()) * 9;
    const int width = std::max({grid.right() + kMargin, title_width, 360});
    Drawing drawing(width, grid.bottom() + kLegend + 64);
    drawing.title(title);
    drawing.text(kMargin, 24, 15, "start", title);
    draw_labels(grid, drawing);
    for (const HeadReport& report : ranking) {
        const int x = grid.x(report.head.query_head), y = grid.y(report.head.layer);
        const double share = grid.best > 0 ? report.recall_at_10 / grid.best : 0;
        pugi::xml_node cell = drawing.rectangle(x, y, kCell - 1, kRow - 1, colour(share));
        const std::string tip =
            "layer " + std::to_string(report.head.layer) + ", head " +
            std::to_string(report.head.query_head) + ": R@5 " + number(report.recall_at_5, 3) +
            ", R@10 " + number(report.recall_at_10, 3) + ", R@20 " + number(report.recall_at_20, 3);
        cell.append_child("title").text().set(tip.c_str());
        drawing.text(x + kCell / 2 - 1, y + 15, 9, "middle", number(report.recall_at_10, 2),
                     share > 0.6 ? "#222" : "white");
    }
    for (const DeadHead& report : dead) {
        const int x = grid.x(report.head.query_head), y = grid.y(report.head.layer);
        drawing.rectangle(x, y, kCell - 1, kRow - 1, "#ddd");
        drawing.text(x + kCell / 2 - 1, y + 16, 14, "middle", "×");
    }
    for (const HeadId& head : chosen) {
        drawing.frame(grid.x(head.query_head) + 1, grid.y(head.layer) + 1, kCell - 3, kRow - 3);
    }
    draw_legend(grid, drawing);
    return drawing.str();
}

}  // namespace s3attn
