// One question and its answer: the evidence as soon as it is found, the answer beside it as it is
// written, citations numbered from 1 in the order of the answer.
import { make, makeStrip, placeOf } from "./view.js";

// Why an answer ends before its end.
const kCuts = {
  tokens: "The answer was cut here: it is as long as it may be.",
  sentences: "The answer was cut here: this model may write no more sentences.",
  repetition: "The answer was cut here: it began to repeat itself.",
};
const kMark = /\[\d+(?:\s*[,;]\s*\d+)*\]/g;

export class Turn {
  // page: source (a SourceView), again(turn) asks the question once more. `wanted`: how it was
  // asked: {model, method, budget_tokens, store, filter}.
  constructor(question, wanted, page) {
    this.question = question;
    this.wanted = wanted;
    this.page = page;
    this.text = "";
    this.quote = make("div", { class: "quote", hidden: "" });
    this.answer = make("p", { class: "answer", dir: "auto" });
    this.notes = make("p", { class: "note", hidden: "" });
    this.found = make("div", { class: "found" });
    this.more = make("div");
    this.article = make("article", {}, make("h3", { dir: "auto" }, question), this.how(), this.quote,
      this.answer, this.notes, this.found, this.more);
  }

  how() {
    const { model, method, budget_tokens: budget, store, filter = {} } = this.wanted;
    const parts = [model, method && `method ${method}`, budget && `${budget} tokens of evidence`,
      store && `in ${store}`, filter.in && `only ${filter.in.join(", ")}`,
      filter.type && `only ${filter.type.join(", ")}`, filter.after && `from ${filter.after}`,
      filter.before && `before ${filter.before}`];
    const text = parts.filter(Boolean).join(", ");
    return make("p", { class: "meta", hidden: text ? false : "" }, text);
  }

  take(chunk) {
    if (chunk.error) throw new Error(chunk.error.message);
    if (chunk.evidence) {
      this.evidence = chunk.evidence;
      this.attention = chunk.attention;
      this.evidence.spans.forEach((span, i) => { span.shown = i + 1; });
      this.showQuote(chunk.evidence.quote);
      this.showFound([]);
    }
    const choice = chunk.choices[0];
    if (choice && choice.delta.content) {
      this.text += choice.delta.content;
      // What a mark means is known when the answer ends.
      this.answer.textContent = this.text.replace(/\s*\[[\d,; ]*$/, "").replace(kMark, "");
    }
    if (chunk.citations) {
      this.last = { ...chunk, choices: undefined };
      this.reason = choice.finish_reason;
      this.finish();
    }
  }

  // The sentence that answers, word for word.
  showQuote(quote) {
    if (!quote) return;
    const span = this.evidence.spans[quote.span];
    this.quote.replaceChildren(
      make("blockquote", { dir: "auto" }, quote.text),
      make("button", {
        class: "where", type: "button", onclick: () => this.open(span, quote),
      }, make("bdi", {}, span.name), make("small", {}, placeOf(quote)), ...this.pathOf(span)));
    this.quote.hidden = false;
  }

  // `part` of it is looked at: what a page marks.
  open(span, part = span) {
    const why = this.attention && this.attention.spans[this.evidence.spans.indexOf(span)];
    this.page.source.open({
      ...span, number: undefined, span: { ...span, number: span.shown }, part,
      why: why && why.links ? why : null,
      questionTokens: this.attention && this.attention.question_tokens,
      heads: this.attention && this.attention.heads,
    });
  }

  citeButton(span) {
    return make("button", {
      class: "cite", type: "button", "aria-label": `Source ${span.shown}: ${span.name}`,
      onclick: () => this.open(span),
    }, String(span.shown));
  }

  // The server numbers passages in the order of the documents; people read the answer.
  renumber() {
    const { spans } = this.evidence;
    (this.last.numbers || []).forEach((n, i) => { spans[i].number = n; });
    const byNumber = new Map(spans.map((span) => [span.number, span]));
    const order = [];
    const add = (span) => { if (span && !order.includes(span)) order.push(span); };
    for (const mark of this.text.match(kMark) || []) {
      mark.match(/\d+/g).forEach((n) => add(byNumber.get(Number(n))));
    }
    this.last.citations.forEach((citation) => add(byNumber.get(citation.number)));
    const cited = [...order];
    spans.forEach(add);
    order.forEach((span, i) => { span.shown = i + 1; });
    return [byNumber, cited];
  }

  finish() {
    const [byNumber, cited] = this.renumber();
    const marked = new Set();
    const parts = this.text.split(/(\[\d+(?:\s*[,;]\s*\d+)*\])/);
    this.answer.replaceChildren(...parts.flatMap((part, i) => {
      if (i % 2 === 0) return [part];
      return part.match(/\d+/g).map((n) => byNumber.get(Number(n))).filter(Boolean)
        .map((span) => { marked.add(span); return this.citeButton(span); });
    }));
    for (const span of cited) {
      if (!marked.has(span)) this.answer.append(" ", this.citeButton(span));
    }
    this.showFound(cited);
    this.showEnd();
  }

  // What of the answer is not there, where it ends; then how it came about.
  showEnd() {
    const notes = [];
    const cut = kCuts[this.last.cut || (this.reason === "length" ? "tokens" : "")];
    if (cut) notes.push(cut);
    if (this.last.withheld) {
      notes.push("An answer was withheld: the passages found do not seem to answer the question.");
    }
    if (this.last.evidence_found === false) {
      notes.push("The documents hold no evidence for this question; the passages below are only "
        + "the nearest.");
    }
    const unfounded = [...new Set((this.last.unfounded || []).map((word) => word.text))];
    if (unfounded.length) notes.push(`Nowhere in the passages: ${unfounded.join(", ")}.`);
    this.notes.textContent = notes.join(" ");
    this.notes.hidden = notes.length === 0;
    const ms = this.last.timings_ms;
    this.more.replaceChildren(
      make("p", { class: "meta" },
        `evidence in ${Math.round(ms.retrieval)} ms, first word after `
        + `${(ms.first_token / 1000).toFixed(1)} s`
        + (this.last.retrieval_question !== this.question
          ? "; searched together with the question before" : "")),
      make("button", { class: "again", type: "button", onclick: () => this.page.again(this) },
        "Ask again, differently"));
  }

  // ---- evidence ------------------------------------------------------------------------------

  sourceItem(span) {
    return make("li", {}, this.citeButton(span), make("button", {
      class: "where", type: "button", onclick: () => this.open(span),
    }, make("bdi", {}, span.name), make("small", {}, placeOf(span)), ...this.pathOf(span)));
  }

  // The headings above a passage.
  pathOf(span) {
    return span.heading ? [make("small", { class: "heading", dir: "auto" },
      span.heading.split(" > ").join(" › "))] : [];
  }

  showFound(cited) {
    const spans = [...this.evidence.spans].sort((a, b) => a.shown - b.shown);
    const first = cited.length ? cited : spans.slice(0, 3);
    const rest = spans.filter((span) => !first.includes(span));
    const nodes = [];
    if (first.length) {
      nodes.push(make("h4", {}, cited.length ? "The answer rests on" : "Passages found"),
        make("ul", { class: "sources" }, ...first.map((span) => this.sourceItem(span))));
    }
    if (rest.length) {
      nodes.push(make("details", {}, make("summary", {}, `${rest.length} more passages read`),
        make("ul", { class: "sources" }, ...rest.map((span) => this.sourceItem(span)))));
    }
    this.found.replaceChildren(...nodes, ...this.strips(first));
  }

  strips(shown) {
    if (!this.attention) return [];
    return this.attention.documents
      .map((heat) => [heat, shown.filter((span) => span.doc_id === heat.doc_id
        && span.store === heat.store)])
      .filter(([, spans]) => spans.length).slice(0, 3)
      .flatMap(([heat, spans]) => {
        const { name } = spans[0];
        return [make("h4", {}, `Where the attention fell in ${name}`),
          makeStrip(heat, name, spans, (target) => {
            if (target.span) this.open(target.span);
            else {
              this.page.source.open({
                store: heat.store, doc_id: heat.doc_id, name, offset: target.offset,
              });
            }
          })];
      });
  }

  // ---- kept over a reload --------------------------------------------------------------------

  // Without the links of single tokens, which are most of it.
  kept() {
    const attention = this.attention && {
      ...this.attention, spans: this.attention.spans.map((span) => ({ ...span, links: undefined })),
    };
    return {
      question: this.question, wanted: this.wanted, text: this.text, evidence: this.evidence,
      attention, last: this.last, reason: this.reason,
    };
  }

  static restore(kept, page) {
    const turn = new Turn(kept.question, kept.wanted || {}, page);
    Object.assign(turn, {
      text: kept.text, evidence: kept.evidence, attention: kept.attention, last: kept.last,
      reason: kept.reason,
    });
    if (turn.evidence) turn.showQuote(turn.evidence.quote);
    if (turn.last) turn.finish();
    else turn.answer.textContent = turn.text;
    return turn;
  }
}
