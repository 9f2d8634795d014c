// Conversations: kept in this browser alone, named, exported, deleted.
import { $, make } from "./view.js";

const kKey = "s3attn-chats";
const kMost = 50;

function load() {
  try {
    return JSON.parse(localStorage.getItem(kKey)) || [];
  } catch {
    return [];
  }
}

function download(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function place(span) {
  const where = span.page ? `page ${span.page}` : `lines ${span.line_begin} to ${span.line_end}`;
  return `${span.name}, ${where}, bytes ${span.byte_begin} to ${span.byte_end}`;
}

function quoted(text) {
  return text.split("\n").map((line) => `> ${line}`).join("\n");
}

function markdownOf(turn) {
  const spans = turn.evidence ? [...turn.evidence.spans].sort((a, b) => a.shown - b.shown) : [];
  const byNumber = new Map(spans.map((span) => [span.number, span]));
  const text = turn.text.replace(/\[\d+(?:\s*[,;]\s*\d+)*\]/g, (mark) => mark.replace(/\d+/g,
    (n) => (byNumber.has(Number(n)) ? byNumber.get(Number(n)).shown : n)));
  return [`## ${turn.question}`, "", text, "",
    ...spans.flatMap((span) => [`[${span.shown}] ${place(span)}`, "", quoted(span.text), ""])]
    .join("\n");
}

export class Chats {
  // page: show(turns) draws a conversation, busy() while an answer is written.
  constructor(page) {
    this.page = page;
    this.all = load();
    this.current = null;
    $("chat").addEventListener("change", () => this.open($("chat").value));
    $("chat-new").addEventListener("click", () => this.open(""));
    $("chat-rename").addEventListener("click", () => this.rename());
    $("chat-delete").addEventListener("click", () => this.remove());
    $("chat-markdown").addEventListener("click", () => this.save("md", "text/markdown",
      (chat) => `# ${chat.name}\n\n${chat.turns.map(markdownOf).join("\n")}`));
    $("chat-json").addEventListener("click", () => this.save("json", "application/json",
      (chat) => JSON.stringify(chat, null, 1)));
    this.open(sessionStorage.getItem("chat") || (this.all[0] && this.all[0].id) || "");
  }

  open(id) {
    if (this.page.busy()) {
      this.list();
      return;
    }
    this.current = this.all.find((chat) => chat.id === id) || null;
    sessionStorage.setItem("chat", this.current ? this.current.id : "");
    this.list();
    this.page.show(this.current ? this.current.turns : []);
  }

  // The conversation as it stands now.
  keep(turns) {
    if (!this.current) {
      const name = turns[0].question.slice(0, 60);
      this.current = { id: `${Date.now()}`, name, turns: [] };
      this.all.unshift(this.current);
      sessionStorage.setItem("chat", this.current.id);
    }
    this.current.turns = turns;
    this.store();
    this.list();
  }

  // A browser keeps a few megabytes: the oldest conversations go first.
  store() {
    this.all = this.all.slice(0, kMost);
    for (;;) {
      try {
        localStorage.setItem(kKey, JSON.stringify(this.all));
        return;
      } catch {
        if (this.all.length < 2) return;
        this.all.pop();
      }
    }
  }

  list() {
    $("chat").replaceChildren(make("option", { value: "" }, "New conversation"),
      ...this.all.map((chat) => make("option", { value: chat.id }, chat.name)));
    $("chat").value = this.current ? this.current.id : "";
    for (const id of ["chat-rename", "chat-delete", "chat-markdown", "chat-json"]) {
      $(id).disabled = !this.current;
    }
  }

  rename() {
    const name = window.prompt("Name of this conversation", this.current.name);
    if (!name || !name.trim()) return;
    this.current.name = name.trim().slice(0, 100);
    this.store();
    this.list();
  }

  remove() {
    if (this.page.busy() || !window.confirm(`Delete "${this.current.name}"?`)) return;
    this.all = this.all.filter((chat) => chat !== this.current);
    this.store();
    this.open("");
  }

  save(extension, type, write) {
    const name = this.current.name.replace(/[^\p{L}\p{N} ._-]/gu, "_").slice(0, 60) || "answers";
    download(`${name}.${extension}`, type, write(this.current));
  }
}
