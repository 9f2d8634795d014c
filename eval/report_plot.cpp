#include "eval/report_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "eval/report_figures.h"

namespace s3attn::eval {
namespace {

constexpr double kWidth = 520, kHeight = 330, kLeft = 52, kRight = 14, kTop = 14, kBottom = 44;
constexpr size_t kColours = 8;

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

struct Axis {
    double low = 0, high = 1, from = 0, to = 1;  // values, and where they lie on the page
    bool log = false;
    double at(double value) const {
        const double a = log ? std::log10(std::max(value, low)) : value;
        const double l = log ? std::log10(low) : low, h = log ? std::log10(high) : high;
        return h <= l ? (from + to) / 2 : from + (to - from) * (a - l) / (h - l);
    }
};

// A round step that gives about five ticks.
double tick_step(double range) {
    const double raw = range / 5, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * power >= raw) return factor * power;
    }
    return 10 * power;
}

std::vector<double> ticks_of(const Axis& axis) {
    std::vector<double> ticks;
    if (!axis.log) {
        const double step = tick_step(axis.high - axis.low);
        for (double t = std::ceil(axis.low / step) * step; t <= axis.high + step / 1e6; t += step) {
            ticks.push_back(std::abs(t) < step / 1e6 ? 0 : t);
        }
        return ticks;
    }
    const bool narrow = axis.high / axis.low < 200;
    for (double power = std::pow(10, std::floor(std::log10(axis.low))); power <= axis.high;
         power *= 10) {
        for (const double factor : {1.0, 2.0, 5.0}) {
            if (!narrow && factor != 1) continue;
            const double t = factor * power;
            if (t >= axis.low * 0.999 && t <= axis.high * 1.001) ticks.push_back(t);
        }
    }
    return ticks;
}

std::string tick_text(double value) {
    if (std::abs(value) >= 1000 && std::fmod(value, 1000) == 0) {
        char text[32];
        std::snprintf(text, sizeof text, "%gk", value / 1000);
        return text;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
}

void fit_axes(const Plot& plot, Axis& x, Axis& y) {
    bool any = false, any_x = false;
    for (const PlotSeries& series : plot.series) {
        for (const PlotPoint& point : series.points) {
            const double low = std::min(point.low, point.y), high = std::max(point.high, point.y);
            y.low = any ? std::min(y.low, low) : low;
            y.high = any ? std::max(y.high, high) : high;
            any = true;
            if (plot.log_x && point.x <= 0) continue;
            x.low = any_x ? std::min(x.low, point.x) : point.x;
            x.high = any_x ? std::max(x.high, point.x) : point.x;
            any_x = true;
        }
    }
    if (!any_x) x.low = 1, x.high = 10;
    const double pad = y.high > y.low ? (y.high - y.low) * 0.06 : 0.05;
    y.low = y.low >= 0 ? std::max(0.0, y.low - pad) : y.low - pad;
    y.high += pad;
    if (plot.log_x) {
        x.low /= 1.3, x.high *= 1.3;
    } else if (x.high <= x.low) {
        x.low -= 1, x.high += 1;
    } else {
        const double x_pad = (x.high - x.low) * 0.04;
        x.low -= x_pad, x.high += x_pad;
    }
}

std::string mark(size_t series, double x, double y) {
    const std::string style = "style=\"fill:var(--c" + std::to_string(series % kColours) + ")\"";
    const auto polygon = [&](std::initializer_list<std::pair<double, double>> corners) {
        std::string points;
        for (const auto& [dx, dy] : corners) points += number(x + dx) + "," + number(y + dy) + " ";
        return "<polygon points=\"" + points + "\" " + style + "/>";
    };
    switch ((series + series / kColours) % 4) {  // the ninth has the first colour, another shape
        case 0:
            return "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"4\" " + style +
                   "/>";
        case 1: return polygon({{-4, -4}, {4, -4}, {4, 4}, {-4, 4}});
        case 2: return polygon({{0, -5}, {5, 4}, {-5, 4}});
        default: return polygon({{0, -5.5}, {5.5, 0}, {0, 5.5}, {-5.5, 0}});
    }
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const std::string& more = "") {
    return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
           more + ">" + escape_html(text) + "</text>";
}

std::string line(const char* kind, double x1, double y1, double x2, double y2,
                 const std::string& style = "") {
    return std::string("<line class=\"") + kind + "\" x1=\"" + number(x1) + "\" y1=\"" +
           number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) + "\"" + style + "/>";
}

std::string frame(const Plot& plot, const Axis& x, const Axis& y, bool has_none) {
    std::string out;
    for (const double t : ticks_of(y)) {
        out += line("grid", kLeft, y.at(t), kWidth - kRight, y.at(t));
        out += text_at(kLeft - 7, y.at(t) + 4, "end", tick_text(t));
    }
    for (const double t : ticks_of(x)) {
        out += line("grid", x.at(t), kTop, x.at(t), kHeight - kBottom);
        out += text_at(x.at(t), kHeight - kBottom + 16, "middle", tick_text(t));
    }
    if (has_none) out += text_at(kLeft + 12, kHeight - kBottom + 16, "middle", "none");
    out += line("axis", kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom);
    out += line("axis", kLeft, kTop, kLeft, kHeight - kBottom);
    out += text_at((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", plot.x_label);
    const std::string middle = number((kTop + kHeight - kBottom) / 2);
    return out + text_at(12, (kTop + kHeight - kBottom) / 2, "middle", plot.y_label,
                         " transform=\"rotate(-90 12 " + middle + ")\"");
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            case '\n':
            case '\t': out += c; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    out += "\xEF\xBF\xBD";
                } else {
                    out += c;
                }
        }
    }
    return out;
}

std::string svg_plot(const Plot& plot) {
    size_t points = 0;
    bool has_none = false;
    for (const PlotSeries& series : plot.series) {
        points += series.points.size();
        for (const PlotPoint& point : series.points) has_none |= plot.log_x && point.x <= 0;
    }
    if (points == 0) return "";
    Axis x, y;
    x.log = plot.log_x;
    fit_axes(plot, x, y);
    x.from = kLeft + (has_none ? 48 : 6), x.to = kWidth - kRight;
    y.from = kHeight - kBottom, y.to = kTop;
    std::string body = frame(plot, x, y, has_none), legend;
    for (size_t s = 0; s < plot.series.size(); ++s) {
        const PlotSeries& series = plot.series[s];
        const std::string stroke = " style=\"stroke:var(--c" + std::to_string(s % kColours) + ")\"";
        std::string path, marks;
        for (const PlotPoint& point : series.points) {
            const double px = plot.log_x && point.x <= 0 ? kLeft + 12 : x.at(point.x);
            const double py = y.at(point.y);
            path += (path.empty() ? "M" : "L") + number(px) + " " + number(py);
            if (point.high > point.low) {
                marks += line("whisker", px, y.at(point.low), px, y.at(point.high), stroke);
            }
            marks += "<g><title>" + escape_html(series.name) + ": " + short_number(point.y) +
                     (point.high > point.low
                          ? " [" + short_number(point.low) + ", " + short_number(point.high) + "]"
                          : "") +
                     " at " + tick_text(point.x) + "</title>" + mark(s, px, py) + "</g>";
        }
        if (series.points.size() > 1)
            body += "<path class=\"line\" d=\"" + path + "\"" + stroke + "/>";
        body += marks;
        legend += "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\">" + mark(s, 7, 7) +
                  "</svg> " + escape_html(series.name) + "</li>";
    }
    return "<figure><figcaption>" + escape_html(plot.title) +
           "</figcaption><svg class=\"plot\" "
           "viewBox=\"0 0 " +
           number(kWidth) + " " + number(kHeight) + "\" role=\"img\" aria-label=\"" +
           escape_html(plot.title) + "\">" + body + "</svg><ul class=\"legend\">" + legend +
           "</ul></figure>";
}

}  // namespace s3attn::eval
