// Tables of a text as tables: rows of "|" (Markdown), of tabs (what was read from HTML, DOCX, XLSX,
// ...) and of CSV. What stands between the cells stays in the text, unseen, so that the text of a
// marked passage is still the bytes that are cited.
import { make } from "./view.js";

const raw = (text) => make("span", { class: "raw" }, text);

// One cell a piece: [[shown or not, text], ...]; together they are the line.
function pipeCells(line) {
  const cells = [];
  let pending = "";
  const parts = line.split(/((?<!\\)\|)/);  // what stands between is at even places
  const first = parts[0].trim() === "" ? 2 : 0;
  if (first) pending = parts[0] + parts[1];
  for (let i = first; i < parts.length; i += 2) {
    if (i > 0 && i === parts.length - 1 && parts[i].trim() === "") {
      if (cells.length) cells[cells.length - 1].push([false, parts[i]]);
      break;
    }
    const [, before, text, behind] = parts[i].match(/^(\s*)([^]*?)(\s*)$/);
    cells.push([[false, pending + before], [true, text],
      [false, behind + (parts[i + 1] || "")]]);
    pending = "";
  }
  return cells;
}

function tabCells(line) {
  const parts = line.split("\t");
  return parts.map((text, i) => [[true, text], [false, i + 1 < parts.length ? "\t" : ""]]);
}

// Rows of a CSV text; a quoted cell may hold line ends.
function csvRows(text, separator) {
  const rows = [[]];
  let cell = [], shown = "", quoted = false, begins = true;
  const flush = () => { if (shown) cell.push([true, shown]); shown = ""; };
  const endCell = (mark) => {
    flush();
    cell.push([false, mark]);
    rows[rows.length - 1].push(cell);
    cell = [];
    begins = true;
  };
  for (let i = 0; i < text.length; ++i) {
    const c = text[i];
    if (c === '"' && quoted && text[i + 1] === '"') {
      shown += c;
      flush();
      cell.push([false, c]);
      ++i;
    } else if (c === '"' && (quoted || begins)) {
      flush();
      cell.push([false, c]);
      quoted = !quoted;
      begins = false;
    } else if (!quoted && c === separator) {
      endCell(c);
    } else if (!quoted && c === "\n") {
      endCell(c);
      rows.push([]);
    } else {
      shown += c;
      begins = false;
    }
  }
  endCell("");
  return rows;
}

function separatorOf(format, columns, line) {
  if (format === "tsv" || line.includes("\t")) return "\t";
  const names = columns ? columns.split(" | ").length : 0;
  return [",", ";", "|"].map((c) => [c, line.split(c).length])
    .sort((a, b) => (names ? Math.abs(a[1] - names) - Math.abs(b[1] - names) : b[1] - a[1]))[0][0];
}

const isRule = (line) => /^[\s|:-]*-[\s|:-]*$/.test(line) && line.includes("|");

function tableOf(rows, columns, headed) {
  const table = make("table", { class: "of-text" });
  const names = columns ? columns.split(" | ") : [];
  const shown = (cell) => cell.filter(([seen]) => seen).map(([, text]) => text).join("").trim();
  const same = rows.length && rows[0].length === names.length
    && rows[0].every((cell, i) => shown(cell) === names[i].trim());
  if (names.length && !same && !headed) {
    table.append(make("thead", { class: "columns" }, make("tr", {},
      ...names.map((name) => make("th", { scope: "col", dir: "auto" }, name)))));
  }
  rows.forEach((cells, i) => {
    const head = i === 0 && (headed || same);
    table.append(make("tr", {}, ...cells.map((cell) => make(head ? "th" : "td",
      head ? { scope: "col", dir: "auto" } : { dir: "auto" },
      ...cell.filter(([, text]) => text).map(([seen, text]) => (seen ? text : raw(text)))))));
  });
  return table;
}

// A text as nodes, tables among them; their text is the text.
export function nodesOf(text, { format = "", columns = "" } = {}) {
  if (format === "csv" || format === "tsv") {
    const rows = csvRows(text, separatorOf(format, columns, text.split("\n")[0]));
    if (rows.some((cells) => cells.length > 1)) return [tableOf(rows, columns, false)];
    return [text];
  }
  const kind = (line) => (/^\s*\|.*\|\s*$/.test(line) ? "|" : line.includes("\t") ? "\t" : "");
  const lines = text.split("\n").map((line, i, all) => line + (i + 1 < all.length ? "\n" : ""));
  const nodes = [];
  for (let first = 0; first < lines.length;) {
    const what = kind(lines[first].replace(/\n$/, ""));
    let last = first + 1;
    while (last < lines.length && kind(lines[last].replace(/\n$/, "")) === what) ++last;
    const run = lines.slice(first, last);
    const isTable = what === "|" || (what === "\t" && (run.length > 1 || columns));
    if (isTable) nodes.push(linesAsTable(run, what, columns));
    else nodes.push(run.join(""));
    first = last;
  }
  return nodes;
}

function linesAsTable(lines, what, columns) {
  const rows = [];
  let headed = false;
  for (const line of lines) {
    const end = line.endsWith("\n") ? "\n" : "";
    const plain = end ? line.slice(0, -1) : line;
    if (what === "|" && isRule(plain) && rows.length) {
      rows[rows.length - 1][rows[rows.length - 1].length - 1].push([false, line]);
      headed = rows.length === 1;
      continue;
    }
    const cells = what === "|" ? pipeCells(plain) : tabCells(plain);
    if (end) cells[cells.length - 1].push([false, end]);
    rows.push(cells);
  }
  return tableOf(rows, columns, headed);
}
