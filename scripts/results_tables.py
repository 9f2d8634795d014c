#!/usr/bin/env python3
"""Makes the tables of docs/results*.md from the commands above them.

usage: results_tables.py DOCUMENT [--program s3attn] [--data DATA] [--runs DIR] [--only WORDS]
                         [--small] [--check | --write | --list]

Every code block that begins with `s3attn eval` is run (DATA in it stands for the folder of evaluation
files; a finished run below --runs is only read), and each table behind it, up to the next command or
heading, is made anew from the record. Its heads say what it has:

  method | R@5, ev@1024, MRR, nDCG@10, score, ... | "METRIC - BASELINE"    figures of every method
  method | index, s | bytes per token | ms per question | ...              what each costs
  ev@1024 against bm25 | difference                                        paired differences
  task | n | full | hybrid, 1,024 | ...                                    scores by task

A comment in front of a table says more: <!-- table: differences --> (every column against the run's
baseline), <!-- table: groups right/withheld --> (metrics by groups of questions), <!-- table: runs German
LANG=de; ... --> (one run a row group: LANG in the command is replaced; further words of the comment
stand behind " | "), <!-- by hand: WHY --> (no command makes it). --small takes the commands behind <!-- small --> alone, whose data is in the tree; --only those
under a heading that has the words. --list says of every table how it is made, runs nothing, and fails
where one is not. --check compares (exit code 1 when a table differs), --write puts the new tables into
the document; without any of these they are printed.
"""
import argparse
import glob
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

COMMAND = re.compile(r"^```text\n(s3attn eval (?:retrieval|answers|score) .*?)\n```$", re.S | re.M)
TABLE = re.compile(r"^\|.*\|\n\|(?: --- \|)+\n(?:\|.*\n?)+", re.M)
COMMENT = re.compile(r"<!-- (table|by hand): ([^>]*?) -->\s*\Z")
COSTS = {
    "index, s": lambda m: f"{m['index_seconds']:.1f}",
    "of this scan / encode / write": lambda m: " / ".join(
        f"{m['stages'][stage]:.1f}" for stage in ("scan", "encode", "index_write")),
    "bytes per token": lambda m: f"{m['index_bytes_per_token']:.1f}",
    "ms per question": lambda m: f"{1000 * m['stages']['retrieve'] / m['questions']:.0f}",
    "peak MiB: index / questions": lambda m: " / ".join(
        f"{m[name] / 2**20:.0f}" for name in ("index_peak_rss_bytes", "retrieve_peak_rss_bytes")),
}
OWN = {"MRR": "mrr", "nDCG@10": "doc_ndcg10", "MAP": "doc_map", "recall@100": "doc_recall100"}
ALL = ("all", "all tasks")


def metric_of(head):
    """(metric, budget, baseline) of a column's head; None where it is no figure."""
    head, _, baseline = head.partition(" - ")
    for pattern, name in ((r"R@(\d+)", "r{}"), (r"ev@?(\d+)", "ev{}"), (r"all@?(\d+)", "all{}")):
        found = re.fullmatch(pattern, head)
        if found:
            return name.format(found[1]), None, baseline
    if head in OWN:
        return OWN[head], None, baseline
    found = re.fullmatch(r"([a-z0-9_]+)(?: at (\d+))?", head)
    return (found[1], int(found[2]) if found[2] else None, baseline) if found else None


def share(value):
    text = f"{value:.3f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def name_of(method, budget):
    return method if budget is None else f"{method}, {budget:,} tokens"


def methods_of(record):
    """(method, budget) of each row of figures, in the record's order."""
    out = []
    for entry in record["methods"]:
        budget = entry.get("budget") if record.get("task") == "answers" else None
        if (entry["name"], budget) not in out:
            out.append((entry["name"], budget))
    return out


def entry_of(record, kind, method, budget, metric, groups=ALL, baseline=None):
    for entry in record[kind]:
        if (entry["group"] in groups and entry["method"] == method and entry["metric"] == metric and
                (budget is None or entry["budget"] == budget) and
                (baseline is None or entry["baseline"] == baseline)):
            return entry
    return None


def difference_text(entry):
    if entry is None:
        return ""
    text = f"{entry['difference']:+.3f}"
    known = entry["low"] is not None
    return text + (f" [{entry['low']:+.3f}, {entry['high']:+.3f}]" if known else "")


def mean_text(entry, interval):
    if entry is None:
        return ""
    text = share(entry["mean"])
    known = interval and entry["low"] is not None
    return text + (f" [{share(entry['low'])}, {share(entry['high'])}]" if known else "")


def cell(record, method, budget, head, interval, kind):
    """One figure of a method; `kind` is the table's comment."""
    if head in COSTS:
        entry = next(e for e in record["methods"] if e["name"] == method)
        return COSTS[head]({**entry, "questions": record["data"]["questions"]})
    if kind.startswith("groups "):
        group = re.sub(r" \((?:n = )?\d+\)$", "", head)
        groups = [e["group"] for e in record["summary"] if e["group"].endswith(group)]
        texts = [mean_text(entry_of(record, "summary", method, budget, metric, groups), interval)
                 for metric in kind.split()[1].split("/")]
        return " / ".join(filter(None, texts))
    if head == "n":
        entry = next((e for e in record["summary"] if e["group"] in ALL and
                      e["method"] == method), None)
        return str(entry["n"]) if entry else ""
    if head == "share of its score":
        entry = entry_of(record, "paired", method, budget, "score")
        return f"{100 * entry['ratio']:.1f} %" if entry and entry["ratio"] is not None else ""
    metric, own_budget, baseline = metric_of(head)
    budget = own_budget or budget
    if kind == "differences":
        return difference_text(entry_of(record, "paired", method, budget, metric))
    if baseline:
        return difference_text(entry_of(record, "paired", method, budget, metric, ALL, baseline))
    return mean_text(entry_of(record, "summary", method, budget, metric), interval)


def split_table(table):
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")]
             for line in table.rstrip("\n").split("\n")]
    return cells[0], cells[2:]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def rows_of_methods(heads, old, record, kind, label=()):
    # A column has intervals where the committed one has them.
    at = len(label) + 1
    intervals = [any("[" in row[at + i] for row in old if len(row) > at + i)
                 for i in range(len(heads) - at)]
    out = []
    for number, (method, budget) in enumerate(methods_of(record)):
        if kind == "differences" and method == record.get("baseline"):
            continue
        front = list(label) if number == 0 else ["" for _ in label]
        out.append(line([*front, name_of(method, budget)] +
                        [cell(record, method, budget, head, interval, kind)
                         for head, interval in zip(heads[at:], intervals)]))
    return out


def rows_of_tasks(heads, record):
    tasks = [e["group"] for e in record["summary"] if e["metric"] == "score"]
    out = []
    for task in dict.fromkeys(t for t in tasks if t not in ALL):
        cells = [task]
        for head in heads[1:]:
            method, _, budget = head.partition(", ")
            budget = int(budget.replace(",", "")) if budget else None
            entry = next((e for e in record["summary"] if e["group"] == task and
                          e["metric"] == "score" and (head == "n" or e["method"] == method) and
                          (budget is None or e["budget"] == budget)), None)
            figure = "{:.2f}".format if "percent" in record else share
            cells.append("" if entry is None else str(entry["n"]) if head == "n" else
                         figure(entry["mean"]))
        out.append(line(cells))
    return out


def way_of(heads, kind):
    """How a table is made, in a word; None where it is not."""
    if kind.startswith("runs "):
        return "runs" if heads[1] == "method" else None
    if heads[0] == "task":
        return "tasks"
    if re.fullmatch(r"\S+ against \S+", heads[0]) and heads[1:] == ["difference"]:
        return "against"
    if heads[0] != "method":
        return None
    known = kind.startswith("groups ") or all(
        head in COSTS or head in ("n", "share of its score") or metric_of(head)
        for head in heads[1:])
    return "methods" if known else None


def make_table(old, kind, record_for):
    """The same table from the records; record_for(values) runs the command with words replaced."""
    heads, rows = split_table(old)
    way = way_of(heads, kind)
    made = []
    if way == "runs":
        runs, _, kind = kind[len("runs "):].partition(" | ")
        for each in runs.split(";"):
            label, values = each.strip().rsplit(None, 1)
            record = record_for(dict(pair.split("=", 1) for pair in values.split(",")))
            made += rows_of_methods(heads, rows, record, kind, [label])
    elif way == "tasks":
        made = rows_of_tasks(heads, record_for({}))
    elif way == "against":
        metric, baseline = heads[0].split(" against ")
        record = record_for({})
        for method, budget in methods_of(record):
            entry = entry_of(record, "paired", method, budget, metric_of(metric)[0], ALL, baseline)
            made += [line([name_of(method, budget), difference_text(entry)])] if entry else []
    else:
        made = rows_of_methods(heads, rows, record_for({}), kind)
    return "\n".join(old.split("\n")[:2] + made) + "\n"


def run_score(words, arguments):
    """`eval score` as a record: the method "ours", and with --compare "LongBench"."""
    theirs = {}
    if "--compare" in words:
        at = words.index("--compare")
        theirs = json.loads(pathlib.Path(words[at + 1]).read_text("utf-8"))
        del words[at:at + 2]
    files = [name for word in words[3:] for name in (sorted(glob.glob(word)) or [word])]
    done = subprocess.run([arguments.program, "eval", "score", *files, "--json"], check=True,
                          capture_output=True, text=True)
    summary = []
    for task, figure in json.loads(done.stdout).items():
        for method, score in (("ours", figure["score"]), ("LongBench", theirs.get(task))):
            if score is not None:
                summary.append({"group": task, "method": method, "metric": "score",
                                "budget": None, "mean": score, "n": figure["n"]})
    return {"percent": True, "methods": [], "summary": summary}


def run(command, values, arguments):
    for name, value in values.items():
        command = command.replace(name, value)
    words = shlex.split(command.replace("\\\n", " ").replace("DATA/", f"{arguments.data}/"))
    if "--out" in words:
        del words[words.index("--out"):words.index("--out") + 2]
    name = hashlib.sha256(command.encode()).hexdigest()[:12]
    out = pathlib.Path(arguments.runs) / name
    if words[2] == "score":
        return run_score(words, arguments)
    subprocess.run([arguments.program, *words[1:], "--out", str(out), "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads((out / "run.json").read_text("utf-8"))


def sections(text, arguments):
    """(command, begin, end): the part of the text that a command's tables stand in."""
    found = [(match.start(), match.end(), match[1]) for match in COMMAND.finditer(text)]
    found = [(0, 0, None), *found]
    headings = [match.start() for match in re.finditer(r"^#+ ", text, re.M)]
    for number, (start, begin, command) in enumerate(found):
        end = found[number + 1][0] if number + 1 < len(found) else len(text)
        own_end = min([at for at in headings if begin <= at < end], default=end)
        title = re.findall(r"^#+ (.*)$", text[:start], re.M)[-1:]
        small = text[:start].rstrip().endswith("<!-- small -->")
        wanted = (not arguments.small or small) and (
            not arguments.only or any(arguments.only in each for each in title))
        if command and (wanted or arguments.list):
            yield command, begin, own_end
        if arguments.list:  # what stands under a heading without a command
            yield None, own_end if command else begin, end


def listed(text, arguments, path):
    wrong = 0
    for command, begin, end in sections(text, arguments):
        for table in TABLE.finditer(text, begin, end):
            comment = COMMENT.search(text[:table.start()])
            heads, _ = split_table(table[0])
            if comment and comment[1] == "by hand":
                way = "by hand: " + comment[2]
            else:
                way = way_of(heads, comment[2] if comment else "") if command else None
            wrong += way is None
            place = f"{path}:{text.count(chr(10), 0, table.start()) + 1}"
            print(f"{place}: {way or 'NOT MADE'}: {line(heads)[:70]}")
    return wrong


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("document")
    parser.add_argument("--program", default="build/s3attn")
    parser.add_argument("--data", default="DATA")
    parser.add_argument("--runs", default="s3attn-eval/results")
    parser.add_argument("--only", default="")
    for flag in ("--small", "--check", "--write", "--list"):
        parser.add_argument(flag, action="store_true")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.document)
    text = path.read_text("utf-8")
    if arguments.list:
        sys.exit(1 if listed(text, arguments, path) else 0)
    new, at, different, made = "", 0, 0, 0
    for command, begin, end in sections(text, arguments):
        for table in TABLE.finditer(text, begin, end):
            comment = COMMENT.search(text[:table.start()])
            if comment and comment[1] == "by hand":
                continue
            kind = comment[2] if comment else ""
            if way_of(split_table(table[0])[0], kind) is None:
                sys.exit(f"{path}: nothing says how this table is made; see --help:\n{table[0]}")
            anew = make_table(table[0], kind, lambda values: run(command, values, arguments))
            made += 1
            new += text[at:table.start()] + anew
            at = table.end()
            if anew.rstrip("\n") != table[0].rstrip("\n"):
                different += 1
                if arguments.check:
                    print(f"{path} differs from what {command}\nmakes now:\n{anew}")
            if not arguments.check and not arguments.write:
                print(anew)
    if arguments.write:
        path.write_text(new + text[at:], "utf-8")
    print(f"{path}: {made} tables made, {different} differ from the committed ones",
          file=sys.stderr)
    if made == 0:
        sys.exit(f"{path}: no table was made; see --help")
    if arguments.check and different:
        sys.exit(1)


if __name__ == "__main__":
    main()
