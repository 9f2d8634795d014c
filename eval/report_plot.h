// Plots of the report as SVG. Colours are the page's CSS variables --c0 .. --c7, so that one
// picture serves light and dark; series differ in the shape of their marks, too.
#pragma once

#include <string>
#include <vector>

namespace s3attn::eval {

struct PlotPoint {
    double x = 0, y = 0, low = 0, high = 0;  // low == high: no whisker
};
struct PlotSeries {
    std::string name;
    std::vector<PlotPoint> points;  // joined by a line, ascending in x
};
struct Plot {
    std::string title, x_label, y_label;
    bool log_x = false;  // points with x <= 0 stand at the left edge, under "none"
    std::vector<PlotSeries> series;
};

// Empty where no series has a point. All text is escaped.
std::string svg_plot(const Plot& plot);

// &, <, >, and quotes as entities; control characters but newline and tab as U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace s3attn::eval
