// The list of documents: folders, filter, order, and what is wrong with which.
import { $, make } from "./view.js";

const number = new Intl.NumberFormat("en");
const kFew = 8;  // no filter is needed for so many

// Of a path, and of what uploads.js calls a file of a folder; with the mark behind it.
function folderOf({ name }) {
  const mark = name.lastIndexOf(" – ");
  return name.slice(0, Math.max(name.lastIndexOf("/") + 1, mark < 0 ? 0 : mark + 3));
}

const orders = {
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  newest: (a, b) => b.indexed_at.localeCompare(a.indexed_at),
  largest: (a, b) => b.tokens - a.tokens,
};

export class DocumentList {
  // page: open(doc), remove(doc).
  constructor(page) {
    this.page = page;
    this.all = [];
    this.manyStores = false;
    $("filter").addEventListener("input", () => this.draw());
    $("order").addEventListener("change", () => this.draw());
  }

  show(documents) {
    this.all = documents;
    $("filter-box").hidden = documents.length <= kFew;
    this.draw();
  }

  formatOf({ store, doc_id: id }) {
    const found = this.all.find((doc) => doc.doc_id === id && doc.store === store);
    return found ? found.format : "";
  }

  draw() {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const order = orders[$("order").value] || orders.name;
    const shown = this.all.filter((doc) => words.every((word) =>
      doc.name.toLowerCase().includes(word) || doc.format === word)).sort(order);
    const byFolder = new Map();
    const grouped = $("order").value === "name";
    for (const doc of shown) {
      const folder = grouped ? folderOf(doc) : "";
      if (!byFolder.has(folder)) byFolder.set(folder, []);
      byFolder.get(folder).push(doc);
    }
    const items = [];
    for (const [folder, docs] of byFolder) {
      if (folder) items.push(make("li", { class: "folder" }, make("bdi", {}, folder.replace(/ – $/, "/"))));
      items.push(...docs.map((doc) => this.item(doc, folder)));
    }
    $("documents").replaceChildren(...items);
    $("count").textContent = this.all.length === shown.length
      ? `${number.format(this.all.length)} documents`
      : `${number.format(shown.length)} of ${number.format(this.all.length)} documents`;
  }

  item(doc, folder) {
    const name = doc.name.slice(folder.length);
    const open = make("button", {
      class: "name", type: "button", title: doc.path, onclick: () => this.page.open(doc),
    }, make("bdi", {}, name));
    const remove = make("button", {
      class: "remove", type: "button", "aria-label": `Remove ${doc.name}`,
      onclick: () => this.page.remove(doc),
    }, "✕");
    const about = `${number.format(doc.tokens)} tokens, ${doc.format}`
      + (this.manyStores ? `, in ${doc.store}` : "");
    const marks = [];
    if (!doc.complete) marks.push("partly read: reading was interrupted; add it again to go on");
    if (doc.missing) marks.push("its file is not there any more; its text still answers");
    return make("li", {}, open, remove, make("small", {}, about),
      ...marks.map((mark) => make("small", { class: "bad" }, mark)));
  }
}
