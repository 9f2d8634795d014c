// The page: documents, questions, answers. view.js shows sources, turn.js one answer.
import { Chats } from "./chats.js";
import { DocumentList } from "./documents.js";
import { Turn } from "./turn.js";
import { Uploads } from "./uploads.js";
import { $, make, SourceView } from "./view.js";

const state = { turns: [], running: null };
let uploads = null, chats = null;

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

async function granted(path, options) {
  const response = await request(path, options);
  if (!response.ok) throw await failure(response);
  return response;
}

async function api(path, options) {
  return (await granted(path, options)).json();
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

// ---- documents ------------------------------------------------------------------------------

const list = new DocumentList({
  open: (doc) => source.open({ ...doc, offset: 0 }), remove: removeDocument,
});
const source = new SourceView(granted, api, (target) => list.formatOf(target));

async function loadDocuments() {
  const { data } = await api("v1/documents");
  list.show(data);
  $("empty").hidden = data.length > 0 || Boolean(uploads && uploads.busy);
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

const page = { source, again };

function draw(turns) {
  $("turns").replaceChildren();
  state.turns = [];
  for (const kept of turns) addTurn(Turn.restore(kept, page), kept.beside);
}

// A question that is asked once more stands beside the first time.
function addTurn(turn, beside = false) {
  const before = state.turns[state.turns.length - 1];
  turn.beside = beside && Boolean(before);
  if (turn.beside) {
    let pair = before.article.parentElement;
    if (!pair.classList.contains("pair")) {
      pair = make("div", { class: "pair" });
      before.article.replaceWith(pair);
      pair.append(before.article);
    }
    pair.append(turn.article);
  } else {
    $("turns").append(turn.article);
  }
  state.turns.push(turn);
  turn.article.scrollIntoView({ block: "end" });
}

function insertBeside(turn, old) {
  const at = state.turns.indexOf(old) + 1;
  const behind = state.turns.splice(at);
  addTurn(turn, true);
  state.turns.push(...behind);
}

function keepTurns() {
  chats.keep(state.turns.filter((turn) => turn.last)
    .map((turn) => ({ ...turn.kept(), beside: turn.beside })));
}

// What was said before a turn; of answers side by side the first counts.
function historyBefore(turn) {
  const end = state.turns.indexOf(turn);
  return state.turns.slice(0, end).filter((one) => one.last && !one.beside).slice(-4)
    .flatMap((one) => [{ role: "user", content: one.question },
      { role: "assistant", content: one.text }]);
}

function showRunning(running) {
  state.running = running;
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
}

function wantedNow() {
  return { model: $("model").options.length > 1 ? $("model").value : undefined };
}

async function ask(turn, history) {
  const abort = new AbortController();
  showRunning(abort);
  say("Looking for evidence …");
  const store = turn.wanted.store || $("store").value;
  try {
    const response = await request("v1/chat/completions", {
      method: "POST", signal: abort.signal, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        ...turn.wanted, store: store ? [store] : undefined, stream: true,
        evidence: true, attention: true,
        messages: [...history, { role: "user", content: turn.question }],
      }),
    });
    if (!response.ok) throw await failure(response);
    for await (const [, data] of events(response)) {
      if (data === "[DONE]") break;
      turn.take(JSON.parse(data));
      say(turn.text ? "Answering …" : "Evidence found; reading it …");
    }
    if (!turn.last) throw new Error("the answer broke off");
    keepTurns();
    say("");
  } catch (error) {
    const stopped = error.name === "AbortError";
    say(stopped ? "Stopped." : error.message, !stopped);
    turn.notes.textContent = stopped ? "Stopped here." : error.message;
    turn.notes.hidden = false;
  }
  showRunning(null);
  turn.article.scrollIntoView({ block: "nearest" });
}

function askNew(question) {
  const turn = new Turn(question, wantedNow(), page);
  addTurn(turn);
  ask(turn, historyBefore(turn));
}

// Which documents a question is put to; undefined: all.
function filterWanted() {
  const texts = (id) => $(id).value.split(",").map((text) => text.trim()).filter(Boolean);
  const filter = {
    in: texts("again-in"), type: texts("again-type"), after: $("again-after").value.trim(),
    before: $("again-before").value.trim(),
  };
  for (const [name, value] of Object.entries(filter)) if (!value.length) delete filter[name];
  return Object.keys(filter).length ? filter : undefined;
}

// The same question with another reader, method, budget, store or filter.
function again(old) {
  if (state.running) return;
  const dialog = $("again-dialog");
  $("again-question").textContent = old.question;
  for (const id of ["model", "store"]) {
    $(`again-${id}`).replaceChildren(...[...$(id).options].map((option) => option.cloneNode(true)));
    $(`again-${id}-box`).hidden = $(id).options.length < 2;
  }
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "ask") return;
    const budget = Number($("again-budget").value);
    const turn = new Turn(old.question, {
      model: $("again-model").value || undefined, method: $("again-method").value || undefined,
      budget_tokens: budget > 0 ? budget : undefined, store: $("again-store").value || undefined,
      filter: filterWanted(),
    }, page);
    insertBeside(turn, old);
    ask(turn, historyBefore(old));
  }, { once: true });
  dialog.showModal();
}

function setUpAsking() {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = $("question").value.trim();
    if (!question || state.running) return;
    $("question").value = "";
    askNew(question);
  });
  $("question").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $("ask").requestSubmit();
  });
  $("stop").addEventListener("click", () => state.running && state.running.abort());
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
    if (event.key === "Escape" && !$("source").hidden && !document.querySelector("dialog[open]")) {
      source.close();
    }
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

// A few paragraphs to try the page with.
const kExample = `The lighthouse at Varden was built in 1881 by the engineer Ingrid Solberg. It stands \
on a rock of granite, and its lamp was lit with paraffin until the year 1930, when electricity came \
to the island.

Arctic terns fly from pole to pole. The ornithologist Daniel Okafor studied them for eleven summers \
on the cliffs behind the lighthouse, and counted the nests every June. His notebooks are kept in the \
library of the university, where anybody may read them.

The bakery in the harbour sells rye bread, which the fishermen take along to sea. Its oven is from \
1902 and burns birch wood only.
`;

function setUpExample() {
  $("example").addEventListener("click", () => {
    uploads.add([new File([kExample], "example.txt", { type: "text/plain" })]);
    $("question").value = "Who built the lighthouse?";
    $("question").focus();
  });
}

async function start() {
  setUpTheme();
  uploads = new Uploads({
    headers, api, say, store: () => $("store").value || "", changed: loadDocuments,
  });
  setUpAsking();
  setUpExample();
  chats = new Chats({ show: draw, busy: () => Boolean(state.running) });
  const [, models, stores, jobs] = await Promise.all([loadDocuments(), api("v1/models"),
    api("v1/stores"), api("v1/documents/jobs")]);
  fillChoice("model", models.data.map((model) => model.id));
  fillChoice("store", stores.data.map((store) => store.name), "all stores");
  if (stores.data.length > 1) {
    list.manyStores = true;
    list.draw();
  }
  uploads.follow(jobs.data);
  $("question").focus();
  performance.mark("ready");  // bench/serve.py reads it
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => say(error.message, true));
