// The source beside an answer: the text with its evidence highlighted, why it was found, and the
// strip that shows where in a document the attention fell. Everything from documents and names is
// put in as text, never as markup.
import { PdfPages } from "./pages.js";
import { nodesOf } from "./tables.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Of a subtitle.
function clock(ms) {
  const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
  return `${s >= 3600 ? `${Math.floor(s / 3600)}:` : ""}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function placeOf(span) {
  const bytes = `bytes ${span.byte_begin}–${span.byte_end}`;
  const extracted = span.offsets === "extracted" ? " of the extracted text" : "";
  if (span.time_end_ms) {
    return `${clock(span.time_begin_ms)} to ${clock(span.time_end_ms)}, ${bytes}${extracted}`;
  }
  if (span.page) return `page ${span.page}, ${bytes}${extracted}`;
  const lines = span.line_begin === span.line_end ? `line ${span.line_begin}`
    : `lines ${span.line_begin}–${span.line_end}`;
  return `${lines}, ${bytes}${extracted}`;
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

// Offsets of the interface count UTF-8 bytes, strings here UTF-16 units.
function byteIndex(text) {
  const index = new Map([[0, 0]]);
  let bytes = 0, units = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    units += character.length;
    index.set(bytes, units);
  }
  return (offset) => {
    while (offset > 0 && !index.has(offset)) --offset;  // inside a character
    return index.get(offset);
  };
}

// ---- the strip ------------------------------------------------------------------------------

function drawHeat(canvas, heat) {
  const style = getComputedStyle(document.documentElement);
  const colour = style.getPropertyValue("--heat");
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth * ratio, height = canvas.clientHeight * ratio;
  if (!width) return;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const values = heat.s3.some((value) => value > 0) ? heat.s3 : heat.bm25;
  const most = Math.max(...values, 1e-12);
  const step = width / values.length;
  values.forEach((value, i) => {
    const strength = Math.sqrt(value / most);
    pen.fillStyle = `rgba(${colour}, ${(0.06 + 0.94 * strength).toFixed(3)})`;
    const from = Math.round(i * step);
    pen.fillRect(from, 0, Math.round((i + 1) * step) - from, height);
  });
}

// One document's strip. `spans` have a number each (`shown`); `open` is called with a span or a byte offset.
export function makeStrip(heat, name, spans, open) {
  const canvas = make("canvas", {
    role: "img",
    "aria-label": `Where the attention fell in ${name}: ${percent(heat.mass)} of all attention, `
      + `over ${heat.units} passages; the numbered passages are marked below`,
  });
  const strip = make("div", { class: "strip" }, canvas);
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const at = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
    open({ offset: Math.floor(at * heat.bytes) });
  });
  for (const span of spans) {
    const pin = make("button", {
      class: "pin", type: "button", "aria-label": `Passage ${span.shown} in ${name}`,
      onclick: () => open({ span }),
    }, String(span.shown));
    const middle = (span.byte_begin + span.byte_end) / 2 / heat.bytes;
    pin.style.left = `${(100 * Math.min(0.97, Math.max(0.03, middle))).toFixed(2)}%`;
    strip.append(pin);
  }
  const draw = () => drawHeat(canvas, heat);
  new ResizeObserver(draw).observe(canvas);
  document.addEventListener("theme", draw);
  return strip;
}

// ---- the source -----------------------------------------------------------------------------

const kAround = 3000;  // bytes of text shown before and behind the evidence
const kMore = 8000;

export class SourceView {
  // request(path) gives a Response that is no failure, api(path) its JSON, formatOf(target) the document's format.
  constructor(request, api, formatOf) {
    this.api = api;
    this.formatOf = formatOf;
    this.origin = null;
    this.pages = new PdfPages(request, api);
    $("close").addEventListener("click", () => this.close());
    $("earlier").addEventListener("click", () => this.more(-1));
    $("later").addEventListener("click", () => this.more(1));
    $("as-page").addEventListener("click", () => this.showPage(this.target));
    $("as-text").addEventListener("click", () => this.showText(this.target));
  }

  close() {
    $("source").hidden = true;
    if (this.origin && this.origin.isConnected) this.origin.focus();
  }

  // target: {store, doc_id, name} with span (and why, questionTokens, heads) or offset.
  async open(target) {
    if (!$("source").contains(document.activeElement)) this.origin = document.activeElement;
    this.target = target;
    const { span } = target;
    $("source").hidden = false;
    $("source-title").textContent = span && span.number ? `${span.number}: ${target.name}`
      : target.name;
    $("place").textContent = span ? placeOf(span) : "";
    this.showPath(span && span.heading);
    this.showWhy(target);
    $("source-title").focus();
    const isPdf = this.formatOf(target) === "pdf";
    $("as-box").hidden = !isPdf;
    if (!isPdf || !await this.showPage(target)) await this.showText(target);
  }

  // The headings above a passage, the widest first.
  showPath(heading) {
    const parts = (Array.isArray(heading) ? heading : (heading || "").split(" > ")).filter(Boolean);
    $("path").hidden = parts.length === 0;
    $("path").replaceChildren(...parts.map((part) => make("li", { dir: "auto" }, part)));
  }

  choose(view) {
    $("as-page").setAttribute("aria-pressed", String(view === "page"));
    $("as-text").setAttribute("aria-pressed", String(view === "text"));
    for (const id of ["page-bar", "page-box"]) $(id).hidden = view !== "page";
    for (const id of ["earlier", "text", "later"]) $(id).hidden = view !== "text";
  }

  // The page of a PDF; false where it cannot be shown (its file has gone, say).
  async showPage(target) {
    this.choose("page");
    $("page-box").replaceChildren("Drawing …");
    $("page-number").textContent = "";
    try {
      await this.pages.show(target, await this.pageOf(target));
      return true;
    } catch (error) {
      if (this.target !== target) return true;
      $("as-box").hidden = true;
      $("place").append(` – shown as text: ${error.message}`);
      return false;
    }
  }

  async pageOf({ part, offset = 0 }) {
    if (part && part.page) return part.page;
    const { pieces } = await this.fetch(offset, offset + 1);
    return (pieces[0] && pieces[0].page) || 1;
  }

  async showText(target) {
    this.choose("text");
    const { span } = target;
    const from = span ? span.byte_begin : target.offset || 0;
    const to = span ? span.byte_end : from + 1;
    $("text").replaceChildren("Loading …");
    const range = await this.fetch(Math.max(0, from - kAround), to + kAround);
    if (this.target !== target) return;
    this.format = range.format;
    $("text").replaceChildren(...range.pieces.map((piece) => this.piece(piece)));
    this.first = range.pieces.length ? range.pieces[0].byte_begin : 0;
    this.last = range.pieces.length ? range.pieces[range.pieces.length - 1].byte_end : 0;
    this.updateButtons(range.pieces.length);
    const marked = $("text").querySelector("mark, [data-here]");
    if (marked) marked.scrollIntoView({ block: "center" });
    if (!$("why").hidden) this.showLinks(null);
  }

  fetch(begin, end) {
    const { store, doc_id } = this.target;
    return this.api(`v1/documents/${doc_id}/text?store=${encodeURIComponent(store)}`
      + `&begin=${begin}&end=${end}`);
  }

  async more(direction) {
    const target = this.target;
    const [begin, end] = direction < 0 ? [Math.max(0, this.first - kMore), this.first]
      : [this.last, this.last + kMore];
    const range = await this.fetch(begin, end);
    if (this.target !== target) return;
    const pieces = range.pieces.filter((piece) => (direction < 0
      ? piece.byte_end <= this.first : piece.byte_begin >= this.last));
    const nodes = pieces.map((piece) => this.piece(piece));
    const box = $("text");
    if (direction < 0) {
      const before = box.scrollHeight;
      box.prepend(...nodes);
      box.scrollTop += box.scrollHeight - before;
      if (pieces.length) this.first = pieces[0].byte_begin;
      if (!pieces.length) this.first = 0;
    } else {
      box.append(...nodes);
      if (pieces.length) this.last = pieces[pieces.length - 1].byte_end;
    }
    this.updateButtons(direction < 0 || pieces.length);
  }

  updateButtons(moreBehind) {
    $("earlier").disabled = !this.first;
    $("later").disabled = !moreBehind;
  }

  piece(piece) {
    const { span } = this.target;
    const inside = span && piece.byte_begin >= span.byte_begin && piece.byte_end <= span.byte_end;
    const at = this.target.offset;
    const here = !span && piece.byte_begin <= at && at < piece.byte_end;
    const nodes = nodesOf(piece.text, { format: this.format, columns: piece.columns });
    const body = make(inside ? "mark" : "span", here ? { "data-here": "" } : {}, ...nodes);
    if (inside) body.tabIndex = -1;
    const whole = document.createElement("span");
    whole.append(piece.gap, body);
    if (inside) this.mark = body;
    return whole;
  }

  // ---- why -----------------------------------------------------------------------------------

  showWhy({ span, why, questionTokens, heads }) {
    $("why").hidden = !why;
    if (!why) return;
    const words = why.lexical_share, attention = 1 - words;
    $("shares").textContent = this.inWords(words, why.shared_words);
    $("split").setAttribute("aria-label", $("shares").textContent);
    $("split-attention").style.width = `${100 * attention}%`;
    $("split-words").style.width = `${100 * words}%`;
    const sums = new Map();
    for (const link of why.links) {
      sums.set(link.question_token, (sums.get(link.question_token) || 0) + link.mass);
    }
    const most = Math.max(...sums.values(), 1e-12);
    $("tokens").replaceChildren(...questionTokens.map((token, i) => {
      const share = (sums.get(i) || 0) / most;
      const chip = make("button", {
        type: "button", "aria-pressed": "false", disabled: sums.has(i) ? false : "",
        title: `brought ${percent((sums.get(i) || 0))} of all attention here`,
        onclick: () => this.chooseToken(i, chip),
      }, token.replace(/\n/g, "⏎"));
      chip.style.borderBottom = `3px solid rgba(var(--hit), ${(0.1 + 0.9 * share).toFixed(2)})`;
      return chip;
    }));
    this.why = { span, why, questionTokens, heads };
    this.showLinks(null);
  }

  inWords(words, shared) {
    const most = words > 0.6 ? "mostly because it has words of the question"
      : words < 0.4 ? "mostly because the model, reading the question, attends to it"
        : "as much for its words as because the model, reading the question, attends to it";
    return `It was found ${most}: ${percent(1 - words)} came from attention and `
      + `${percent(words)} from shared words`
      + (shared.length ? ` (stems: ${shared.join(", ")}).` : " (none).");
  }

  chooseToken(token, chip) {
    const pressed = chip.getAttribute("aria-pressed") === "true";
    for (const other of $("tokens").children) other.setAttribute("aria-pressed", "false");
    chip.setAttribute("aria-pressed", String(!pressed));
    this.showLinks(pressed ? null : token);
  }

  showLinks(token) {
    const { span, why, questionTokens, heads } = this.why;
    const links = why.links.filter((link) => token === null || link.question_token === token);
    const toIndex = byteIndex(span.text);
    const textOf = (link) => span.text.slice(toIndex(link.begin), toIndex(link.end)) || "⏎";
    $("links").tBodies[0].replaceChildren(...links.slice(0, 40).map((link) => make("tr", {},
      make("td", {}, questionTokens[link.question_token].replace(/\n/g, "⏎")),
      make("td", {}, textOf(link).replace(/\n/g, "⏎")),
      make("td", {}, `${heads[link.head].layer}, ${heads[link.head].query_head}`),
      make("td", {}, percent(link.mass)))));
    this.paint(links, toIndex);
  }

  // Shades the tokens of the evidence by the attention they got. The text stays what it is.
  paint(links, toIndex) {
    const { mark } = this;
    const { span } = this.why;
    if (!mark || !mark.isConnected) return;
    for (const old of mark.querySelectorAll(".hit")) old.replaceWith(old.textContent);
    mark.normalize();
    const pieces = textNodes(mark);
    if (pieces.map((node) => node.data).join("") !== span.text) return;
    const mass = new Map();
    for (const link of links) {
      if (link.begin === link.end) continue;
      const key = `${link.begin} ${link.end}`;
      mass.set(key, (mass.get(key) || 0) + link.mass);
    }
    const most = Math.max(...mass.values(), 1e-12);
    let at = span.text.length;
    for (const [begin, end, value] of [...mass]
      .map(([key, sum]) => [...key.split(" ").map(Number), sum]).sort((a, b) => b[0] - a[0])) {
      const from = toIndex(begin), to = toIndex(end);
      if (to > at) continue;
      at = from;
      shade(pieces, from, to, `rgba(var(--hit), ${(0.1 + 0.7 * value / most).toFixed(2)})`);
    }
  }
}

// Those of the source; names of columns that were put above it are not.
function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT,
    (node) => (node.parentElement.closest(".columns") ? NodeFilter.FILTER_REJECT
      : NodeFilter.FILTER_ACCEPT));
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  return nodes;
}

// Called from the last place to the first: what stands in front keeps its nodes.
function shade(nodes, from, to, colour) {
  let begin = 0;
  for (const node of nodes) {
    const end = begin + node.length;
    const first = Math.max(from, begin) - begin, last = Math.min(to, end) - begin;
    begin = end;
    if (first >= last || node.parentElement.classList.contains("raw")) continue;
    const part = first > 0 ? node.splitText(first) : node;
    if (last - first < part.length) part.splitText(last - first);
    const hit = make("span", { class: "hit" });
    part.replaceWith(hit);
    hit.append(part);
    hit.style.backgroundColor = colour;
  }
}
