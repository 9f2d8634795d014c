// Documents on their way in: files are sent one after the other, the server reads them one after the
// other. A server that has no room says when to come back (503 with Retry-After), and is asked again
// then. What fails is listed in one place, to be tried again together.
import { $, make } from "./view.js";

const kPollMs = 700;
const number = new Intl.NumberFormat("en");

function seconds(eta) {
  if (eta === undefined) return "";
  if (eta < 60) return `, ${Math.ceil(eta)} s left`;
  return `, ${Math.ceil(eta / 60)} min left`;
}

export class Uploads {
  // page: headers() of a request, request(path, options), api(path, options) as JSON, say(text),
  // store() to put documents into, changed() when the list of documents may have.
  constructor(page) {
    this.page = page;
    this.waiting = [];      // to be sent
    this.jobs = new Map();  // on the server, by id
    this.failed = [];
    this.sent = 0;          // of this batch
    this.sending = false;
    $("retry").addEventListener("click", () => this.retry());
    $("dismiss").addEventListener("click", () => this.clear(this.failed));
    $("notes-ok").addEventListener("click", () => { $("notes").hidden = true; });
    this.setUpDropping();
    $("batch-cancel").addEventListener("click", () => this.cancelAll());
    for (const id of ["files", "folder"]) {
      $(id).addEventListener("change", () => {
        this.add($(id).files);
        $(id).value = "";
      });
    }
  }

  get busy() { return this.sending || this.jobs.size > 0; }

  setUpDropping() {
    const root = document.documentElement;
    let depth = 0;
    const isFiles = (event) => [...event.dataTransfer.types].includes("Files");
    root.addEventListener("dragenter", (event) => {
      if (isFiles(event) && ++depth) document.body.classList.add("dropping");
    });
    root.addEventListener("dragleave", (event) => {
      if (isFiles(event) && --depth <= 0) document.body.classList.remove("dropping");
    });
    root.addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
    root.addEventListener("drop", (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      depth = 0;
      document.body.classList.remove("dropping");
      this.drop(event.dataTransfer);
    });
  }

  // Files, and those of folders, however deep.
  async drop(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry())
      .filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) {
      this.add(transfer.files);
      return;
    }
    const files = [];
    for (const entry of entries) await this.walk(entry, files);
    this.add(files);
  }

  async walk(entry, files) {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
      files.push(Object.assign(file, { folderPath: entry.fullPath.replace(/^\//, "") }));
      return;
    }
    const reader = entry.createReader();
    for (;;) {  // it gives a hundred at a time
      const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
      if (!some.length) return;
      for (const one of some) await this.walk(one, files);
    }
  }

  // A document's name is no path: "a/b.txt" of a folder becomes "a – b.txt".
  static nameOf(file) {
    const path = file.folderPath || file.webkitRelativePath || file.name;
    return path.split("/").filter((part) => part && !part.startsWith(".")).join(" – ") || file.name;
  }

  add(files) {
    if (!this.busy) this.sent = 0;
    const shown = [...files].filter((file) => !file.name.startsWith("."));  // hidden ones are not meant
    for (const file of shown) this.waiting.push(this.item(Uploads.nameOf(file), file));
    this.sent += shown.length;
    this.batch();
    this.sendAll();
  }

  // How far the whole batch is.
  batch() {
    const left = $("jobs").children.length;
    $("batch").hidden = left < 2;
    $("batch-bar").max = Math.max(1, this.sent);
    $("batch-bar").value = Math.max(0, this.sent - left);
    $("batch-text").textContent = `${number.format(left)} of ${number.format(Math.max(this.sent, left))}`
      + " documents are still to be read";
  }

  cancelAll() {
    for (const item of [...this.waiting, ...this.jobs.values(), this.now].filter(Boolean)) {
      if (!item.cancelled) this.cancel(item);
    }
    this.batch();
  }

  // What the server was reading before the page was opened.
  follow(jobs) {
    for (const job of jobs) {
      if (job.state === "queued" || job.state === "scanning") {
        const item = this.item(job.name, null);
        item.id = job.id;
        this.jobs.set(job.id, item);
      }
    }
    this.poll();
  }

  item(name, file) {
    const bar = make("progress", { max: "1", "aria-label": `Progress of ${name}` });
    const text = make("small", {}, "waiting to be sent");
    const item = { name, file, bar, text };
    const cancel = make("button", {
      class: "cancel", type: "button", "aria-label": `Cancel ${name}`,
      onclick: () => this.cancel(item),
    }, "✕");
    item.row = make("li", {}, make("span", { class: "name" }, name), cancel, bar, text);
    $("jobs").append(item.row);
    $("empty").hidden = true;
    return item;
  }

  // ---- sending ------------------------------------------------------------------------------

  async sendAll() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length) {
      const item = this.waiting.shift();
      if (item.cancelled) continue;
      this.now = item;
      const outcome = await this.send(item);
      this.now = null;
      if (item.cancelled) {
        item.row.remove();
        if (outcome.id) this.cancelJob(outcome.id);
      } else if (outcome.retryAfter) {
        item.text.textContent = "the server is busy; waiting for room";
        item.bar.removeAttribute("value");
        this.waiting.unshift(item);
        await this.pause(outcome.retryAfter);
      } else if (outcome.id) {
        item.id = outcome.id;
        item.text.textContent = "waiting";
        this.jobs.set(item.id, item);
        this.poll();
      } else {
        this.fail(item, outcome.message);
      }
    }
    this.sending = false;
    this.batch();
    this.summary();
  }

  pause(s) {
    return new Promise((resolve) => { setTimeout(resolve, 1000 * Math.min(60, s)); });
  }

  // {id} of the job, {retryAfter} seconds, or the {message} of a failure.
  send(item) {
    const sender = new XMLHttpRequest();  // fetch() does not tell how much is sent
    const store = this.page.store();
    item.text.textContent = "sending";
    item.sender = sender;
    return new Promise((resolve) => {
      sender.open("POST", `v1/documents?name=${encodeURIComponent(item.name)}`
        + (store ? `&store=${encodeURIComponent(store)}` : ""));
      for (const [name, value] of Object.entries(this.page.headers())) {
        sender.setRequestHeader(name, value);
      }
      sender.setRequestHeader("Content-Type", "application/octet-stream");
      sender.upload.onprogress = (event) => {
        if (event.lengthComputable) item.bar.value = event.loaded / event.total;
      };
      sender.onerror = () => resolve({ message: "the connection broke" });
      sender.onabort = () => resolve({});
      sender.onload = () => {
        let answer = null;
        try { answer = JSON.parse(sender.responseText); } catch { /* shown below */ }
        if (sender.status === 202) return resolve({ id: answer.id });
        if (sender.status === 503) {
          return resolve({ retryAfter: Number(sender.getResponseHeader("Retry-After")) || 5 });
        }
        return resolve({
          message: answer && answer.error ? answer.error.message
            : `the server said ${sender.status}`,
        });
      };
      sender.send(item.file);
    });
  }

  cancel(item) {
    item.cancelled = true;
    if (item.id) {
      item.text.textContent = "cancelling";
      this.cancelJob(item.id);
      return;
    }
    if (item.sender) item.sender.abort();
    item.row.remove();
    this.waiting = this.waiting.filter((other) => other !== item);
  }

  cancelJob(id) {
    this.page.api(`v1/documents/jobs/${id}/cancel`, { method: "POST" })
      .catch((error) => this.page.say(error.message, true));
  }

  // ---- reading ------------------------------------------------------------------------------

  // One request for all jobs: browsers keep few connections open.
  async poll() {
    if (this.polling) return;
    this.polling = true;
    let lists = performance.now();
    while (this.jobs.size) {
      try {
        const asked = [...this.jobs];  // what comes meanwhile is not in the answer
        const { data } = await this.page.api("v1/documents/jobs");
        const byId = new Map(data.map((job) => [job.id, job]));
        let changed = performance.now() - lists > 3000;  // what is committed can be asked about
        for (const [id, item] of asked) {
          changed = this.show(item, byId.get(id)) || changed;
        }
        if (changed) {
          lists = performance.now();
          await this.page.changed();
        }
      } catch (error) {
        this.page.say(error.message, true);
      }
      await this.pause(kPollMs / 1000);
    }
    this.polling = false;
    this.summary();
  }

  // True when the job has ended.
  show(item, job) {
    if (job && (job.state === "queued" || job.state === "scanning")) {
      if (job.total) item.bar.value = job.done / job.total;
      else item.bar.removeAttribute("value");
      const share = job.total ? `${Math.floor(100 * job.done / job.total)} %` : "";
      const speed = job.tokens_per_s
        ? `, ${number.format(Math.round(job.tokens_per_s))} tokens/s` : "";
      item.text.textContent = item.cancelled ? "cancelling"
        : job.state === "queued" ? "waiting" : `reading ${share}${speed}${seconds(job.eta_s)}`;
      return false;
    }
    this.jobs.delete(item.id);
    item.row.remove();
    this.batch();
    if (job && job.notes && job.notes.length) this.note(job);
    if (job && job.state === "done") {
      this.page.say(`${job.name} is indexed: ${number.format(job.tokens)} tokens.`);
    } else if (!item.cancelled) {
      this.fail(item, job && job.error ? job.error : "not finished");
    }
    return true;
  }

  // What of a document could not be read.
  note(job) {
    $("notes").hidden = false;
    $("notes-list").append(...job.notes.map((note) =>
      make("li", {}, note.includes(job.name) ? note : `${job.name}: ${note}`)));
  }

  // ---- what failed --------------------------------------------------------------------------

  fail(item, message) {
    item.row.remove();
    item.message = message || "not finished";
    this.failed.push(item);
    this.summary();
  }

  summary() {
    $("failed").hidden = this.failed.length === 0;
    const many = this.failed.length === 1 ? "1 document was" : `${this.failed.length} documents were`;
    $("failed-title").textContent = `${many} not taken`
      + (this.sent > this.failed.length ? `, of ${this.sent}` : "");
    $("failed-list").replaceChildren(...this.failed.map((item) =>
      make("li", {}, `${item.name}: ${item.message}`)));
    $("retry").hidden = !this.failed.some((item) => item.file);
  }

  clear(items) {
    this.failed = this.failed.filter((item) => !items.includes(item));
    this.summary();
  }

  retry() {
    const again = this.failed.filter((item) => item.file);
    this.clear(again);
    this.add(again.map((item) => item.file));
  }
}
