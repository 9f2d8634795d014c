// Pages of a PDF as they look, with the cited words marked. The server draws them and says where
// the words stand.
import { $, make } from "./view.js";

const kMostImages = 6;  // kept in this page

export class PdfPages {
  // request(path) gives a Response that is no failure, api(path) its JSON.
  constructor(request, api) {
    this.request = request;
    this.api = api;
    this.images = new Map();  // path -> object URL
    $("page-before").addEventListener("click", () => this.turn(-1));
    $("page-after").addEventListener("click", () => this.turn(1));
  }

  // target: {store, doc_id, name, part?: what is marked}. Throws where the page cannot be shown.
  async show(target, number) {
    this.target = target;
    const { part } = target;
    const path = `v1/documents/${target.doc_id}/pages/${number}`;
    const store = `store=${encodeURIComponent(target.store)}`;
    const passage = part ? `&begin=${part.byte_begin}&end=${part.byte_end}` : "";
    const width = Math.ceil(($("page-box").clientWidth || 500) * (window.devicePixelRatio || 1));
    const [view, url] = await Promise.all([this.api(`${path}?${store}${passage}`),
      this.image(`${path}/image?${store}&width=${width}`)]);
    if (this.target !== target) return;
    this.number = view.page;
    this.pages = view.pages;
    this.draw(view, url, target);
  }

  async image(path) {
    if (!this.images.has(path)) {
      const response = await this.request(path);
      this.images.set(path, URL.createObjectURL(await response.blob()));
      for (const old of [...this.images.keys()].slice(0, -kMostImages)) {
        URL.revokeObjectURL(this.images.get(old));
        this.images.delete(old);
      }
    }
    return this.images.get(path);
  }

  draw(view, url, { name, part }) {
    const marked = view.boxes.length ? `; marked: ${part.text.slice(0, 300)}` : "";
    const image = make("img", { src: url, alt: `Page ${view.page} of ${name}${marked}` });
    image.style.aspectRatio = `${view.width} / ${view.height}`;
    const sheet = make("div", { class: "sheet" }, image);
    for (const [left, top, right, bottom] of view.boxes) {
      const box = make("span", { class: "marked", "aria-hidden": "true" });
      const place = { left, top, width: right - left, height: bottom - top };
      for (const [side, share] of Object.entries(place)) {
        box.style[side] = `${(100 * share).toFixed(3)}%`;
      }
      sheet.append(box);
    }
    $("page-box").replaceChildren(sheet);
    $("page-number").textContent = `Page ${view.page} of ${view.pages}`;
    $("page-before").disabled = view.page <= 1;
    $("page-after").disabled = view.page >= view.pages;
    const first = sheet.querySelector(".marked");
    if (first) first.scrollIntoView({ block: "center" });
    else $("page-box").scrollTop = 0;
  }

  async turn(by) {
    const { target } = this;
    try {
      await this.show(target, this.number + by);
    } catch (error) {
      $("page-number").textContent = error.message;
    }
  }
}
