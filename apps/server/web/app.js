// The page: documents, questions, answers. view.js shows sources.
import { Uploads } from "./uploads.js";
import { $, make, makeStrip, placeOf, SourceView } from "./view.js";

const state = { documents: [], history: [], running: null };
let uploads = null;

// ---- talking to the server ------------------------------------------------------------------

function headers(more = {}) {
  const key = sessionStorage.getItem("key");
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

function askForKey() {
  const dialog = $("key-dialog");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("key", $("key").value);
      resolve();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
}

async function request(path, options = {}) {
  for (;;) {
    const response = await fetch(path, { ...options, headers: headers(options.headers) });
    if (response.status !== 401) return response;
    await askForKey();
  }
}

async function failure(response) {
  const body = await response.json().catch(() => null);
  return new Error(body && body.error ? body.error.message : `the server said ${response.status}`);
}

async function api(path, options) {
  const response = await request(path, options);
  if (!response.ok) throw await failure(response);
  return response.json();
}

// Server-sent events of a response: [event name, data text].
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      let name = "message", data = "";
      for (const line of buffer.slice(0, end).split("\n")) {
        if (line.startsWith("event: ")) name = line.slice(7);
        if (line.startsWith("data: ")) data += line.slice(6);
      }
      buffer = buffer.slice(end + 2);
      if (data) yield [name, data];
    }
  }
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

const number = new Intl.NumberFormat("en");

// ---- documents ------------------------------------------------------------------------------

const source = new SourceView(api);

function documentItem(doc) {
  const open = make("button", {
    class: "name", type: "button",
    onclick: () => source.open({ ...doc, offset: 0 }),
  }, doc.name);
  const remove = make("button", {
    class: "remove", type: "button", "aria-label": `Remove ${doc.name}`,
    onclick: () => removeDocument(doc),
  }, "✕");
  const about = `${number.format(doc.tokens)} tokens, ${doc.format}`
    + (doc.complete ? "" : ", partly read") + (state.manyStores ? `, in ${doc.store}` : "");
  return make("li", {}, open, remove, make("small", {}, about));
}

async function loadDocuments() {
  const list = await api("v1/documents");
  state.documents = list.data;
  $("documents").replaceChildren(...list.data.map(documentItem));
  $("empty").hidden = list.data.length > 0 || Boolean(uploads && uploads.busy);
}

async function removeDocument(doc) {
  if (!window.confirm(`Remove "${doc.name}" from the index?`)) return;
  try {
    await api(`v1/documents/${doc.doc_id}?store=${encodeURIComponent(doc.store)}`,
      { method: "DELETE" });
    say(`Removed ${doc.name}.`);
  } catch (error) {
    say(error.message, true);
  }
  await loadDocuments();
}

// ---- questions ------------------------------------------------------------------------------

class Turn {
  constructor(question) {
    this.question = question;
    this.text = "";
    this.answer = make("p", { class: "answer" });
    this.more = make("div");
    this.article = make("article", {}, make("h3", {}, question), this.answer, this.more);
    $("turns").append(this.article);
    this.article.scrollIntoView({ block: "end" });
  }

  take(chunk) {
    if (chunk.error) throw new Error(chunk.error.message);
    if (chunk.evidence) {
      this.evidence = chunk.evidence;
      this.attention = chunk.attention;
    }
    const choice = chunk.choices[0];
    if (choice && choice.delta.content) {
      this.text += choice.delta.content;
      this.answer.append(choice.delta.content);
    }
    if (chunk.citations) this.finish(chunk, choice.finish_reason);
  }

  open(span) {
    const at = this.evidence.spans.indexOf(span);
    source.open({
      ...span, span, why: this.attention.spans[at],
      questionTokens: this.attention.question_tokens, heads: this.attention.heads,
    });
  }

  citeButton(span) {
    return make("button", {
      class: "cite", type: "button", "aria-label": `Source ${span.number}: ${span.name}`,
      onclick: () => this.open(span),
    }, `[${span.number}]`);
  }

  // Marks like [2] or [1, 3] in the answer become buttons.
  renderAnswer() {
    const byNumber = new Map(this.evidence.spans.map((span) => [span.number, span]));
    const parts = this.text.split(/(\[\d+(?:\s*[,;]\s*\d+)*\])/);
    this.answer.replaceChildren(...parts.flatMap((part, i) => {
      if (i % 2 === 0) return [part];
      return part.match(/\d+/g).map((n) => byNumber.get(Number(n))).filter(Boolean)
        .map((span) => this.citeButton(span));
    }));
  }

  finish(chunk, reason) {
    chunk.numbers.forEach((n, i) => { this.evidence.spans[i].number = n; });
    this.evidence.spans.forEach((span, i) => { span.number = span.number || i + 1; });
    this.renderAnswer();
    const cited = chunk.citations.map((citation) =>
      this.evidence.spans.find((span) => span.number === citation.number));
    for (const span of cited) {
      if (!this.answer.querySelector(`[aria-label^="Source ${span.number}:"]`)) {
        this.answer.append(" ", this.citeButton(span));
      }
    }
    this.showSources(cited);
    this.showStrips(cited);
    const ms = chunk.timings_ms;
    this.more.append(make("p", { class: "meta" },
      `evidence in ${Math.round(ms.retrieval)} ms, first word after `
      + `${(ms.first_token / 1000).toFixed(1)} s`
      + (reason === "length" ? "; cut at the most tokens of an answer" : "")
      + (chunk.retrieval_question !== this.question
        ? "; searched together with the question before" : "")));
  }

  sourceItem(span) {
    return make("li", {}, this.citeButton(span), make("button", {
      class: "where", type: "button", onclick: () => this.open(span),
    }, span.name, make("small", {}, placeOf(span))));
  }

  showSources(cited) {
    const rest = this.evidence.spans.filter((span) => !cited.includes(span));
    if (cited.length) {
      this.more.append(make("h4", {}, "The answer rests on"),
        make("ul", { class: "sources" }, ...cited.map((span) => this.sourceItem(span))));
    }
    if (rest.length) {
      this.more.append(make("details", {}, make("summary", {}, `${rest.length} more passages read`),
        make("ul", { class: "sources" }, ...rest.map((span) => this.sourceItem(span)))));
    }
  }

  showStrips(cited) {
    const shown = cited.length ? cited : this.evidence.spans;
    const strips = this.attention.documents
      .map((heat) => [heat, shown.filter((span) => span.doc_id === heat.doc_id
        && span.store === heat.store)])
      .filter(([, spans]) => spans.length).slice(0, 3);
    for (const [heat, spans] of strips) {
      const { name } = spans[0];
      this.more.append(make("h4", {}, `Where the attention fell in ${name}`),
        makeStrip(heat, name, spans, (target) => {
          if (target.span) this.open(target.span);
          else source.open({ store: heat.store, doc_id: heat.doc_id, name, offset: target.offset });
        }));
    }
  }
}

function showRunning(running) {
  state.running = running;
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
}

async function ask(question) {
  const turn = new Turn(question);
  const abort = new AbortController();
  showRunning(abort);
  say("Looking for evidence …");
  const store = $("store").value;
  try {
    const response = await request("v1/chat/completions", {
      method: "POST", signal: abort.signal, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        model: $("model").value || undefined, store: store ? [store] : undefined, stream: true,
        evidence: true, attention: true,
        messages: [...state.history, { role: "user", content: question }],
      }),
    });
    if (!response.ok) throw await failure(response);
    say("Reading the evidence …");
    for await (const [, data] of events(response)) {
      if (data === "[DONE]") break;
      turn.take(JSON.parse(data));
      if (turn.text) say("Answering …");
    }
    state.history.push({ role: "user", content: question }, { role: "assistant", content: turn.text });
    state.history = state.history.slice(-8);
    say("");
  } catch (error) {
    const stopped = error.name === "AbortError";
    say(stopped ? "Stopped." : error.message, !stopped);
    if (!turn.text) turn.answer.append(stopped ? "(stopped)" : error.message);
  }
  showRunning(null);
  turn.article.scrollIntoView({ block: "nearest" });
}

function setUpAsking() {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = $("question").value.trim();
    if (!question || state.running) return;
    $("question").value = "";
    ask(question);
  });
  $("question").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $("ask").requestSubmit();
  });
  $("stop").addEventListener("click", () => state.running && state.running.abort());
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
    if (event.key === "Escape" && !$("source").hidden) source.close();
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("question").focus();
    }
  });
}

// ---- start ----------------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event("theme"));
}

function setUpTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  setTheme(localStorage.getItem("theme") || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => {
    if (!localStorage.getItem("theme")) setTheme(dark.matches ? "dark" : "light");
  });
  $("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", next);
    setTheme(next);
  });
}

function fillChoice(id, names, all) {
  $(id).replaceChildren(...(all ? [make("option", { value: "" }, all)] : []),
    ...names.map((name) => make("option", { value: name }, name)));
  $(`${id}-box`).hidden = names.length < 2;
}

async function start() {
  setUpTheme();
  uploads = new Uploads({
    headers, api, say, store: () => $("store").value || "", changed: loadDocuments,
  });
  setUpAsking();
  const [, models, stores, jobs] = await Promise.all([loadDocuments(), api("v1/models"),
    api("v1/stores"), api("v1/documents/jobs")]);
  fillChoice("model", models.data.map((model) => model.id));
  fillChoice("store", stores.data.map((store) => store.name), "all stores");
  if (stores.data.length > 1) {
    state.manyStores = true;
    $("documents").replaceChildren(...state.documents.map(documentItem));
  }
  uploads.follow(jobs.data);
  $("question").focus();
  performance.mark("ready");  // bench/serve.py reads it
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => say(error.message, true));
