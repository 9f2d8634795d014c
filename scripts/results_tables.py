#!/usr/bin/env python3
"""Makes the tables of docs/results*.md from the commands above them.

usage: results_tables.py DOCUMENT [--program s3attn] [--data DATA] [--runs DIR] [--only WORDS]
                         [--small] [--check | --write]

Every code block that begins with `s3attn eval retrieval` or `s3attn eval answers` is run (DATA in it
stands for the folder of evaluation files; a finished run below --runs is only read), and each table
behind it, up to the next command or heading, whose first column is a method is made anew from the
record: its heads say which figures it has ("R@5", "ev@1024", "all@512", "MRR", "nDCG@10",
"ev@1024 - bm25", a metric's own name, or "METRIC at BUDGET"). Tables with other heads are told as
left out. --small takes the commands behind <!-- small --> alone, whose data is in the tree; --only
those under a heading that has the words. --check compares (exit code 1 when a table differs),
--write puts the new tables into the document; without either they are printed.
"""
import argparse
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

COMMAND = re.compile(r"^```text\n(s3attn eval (?:retrieval|answers) .*?)\n```$", re.S | re.M)
TABLE = re.compile(r"^\| method \|.*\n\|(?: --- \|)+\n(?:\|.*\n?)+", re.M)


def metric_of(head):
    """(metric, budget, baseline) of a column's head; None where it is no figure."""
    head, _, baseline = head.partition(" - ")
    for pattern, name in ((r"R@(\d+)", "r{}"), (r"ev@?(\d+)", "ev{}"), (r"all@?(\d+)", "all{}")):
        found = re.fullmatch(pattern, head)
        if found:
            return name.format(found[1]), None, baseline
    own = {"MRR": "mrr", "nDCG@10": "doc_ndcg10", "MAP": "doc_map", "recall@100": "doc_recall100"}
    if head in own:
        return own[head], None, baseline
    found = re.fullmatch(r"([a-z0-9_]+)(?: at (\d+))?", head)
    return (found[1], int(found[2]) if found[2] else None, baseline) if found else None


def share(value):
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def figure(record, method, head, interval):
    metric, budget, baseline = metric_of(head)
    for entry in record["paired" if baseline else "summary"]:
        if (entry["group"] not in ("all", "all tasks") or entry["method"] != method or
                entry["metric"] != metric or
                (budget is not None and entry["budget"] != budget) or
                (baseline and entry["baseline"] != baseline)):
            continue
        known = entry["low"] is not None
        if baseline:
            text = f"{entry['difference']:+.3f}"
            return text + (f" [{entry['low']:+.3f}, {entry['high']:+.3f}]" if known else "")
        text = share(entry["mean"])
        return text + (f" [{share(entry['low'])}, {share(entry['high'])}]"
                       if interval and known else "")
    return ""


def make_table(old, record):
    """The same table from the record, or None: its heads are no figures of a record."""
    lines = old.rstrip("\n").split("\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads, rows = cells[0][1:], cells[2:]
    if any(metric_of(head) is None for head in heads):
        return None
    metrics = {entry["metric"] for entry in record["summary"]}
    if any(metric_of(head)[0] not in metrics for head in heads):
        return None
    # A column has intervals where the committed one has them.
    intervals = [any("[" in row[i + 1] for row in rows) for i in range(len(heads))]
    out = lines[:2]
    for method in [entry["name"] for entry in record["methods"]]:
        out.append("| " + " | ".join([method] + [figure(record, method, head, interval)
                                                 for head, interval in zip(heads, intervals)]) +
                   " |")
    return "\n".join(out) + "\n"


def run(command, arguments):
    words = shlex.split(command.replace("\\\n", " ").replace("DATA/", f"{arguments.data}/"))
    name = hashlib.sha256(command.encode()).hexdigest()[:12]
    out = pathlib.Path(arguments.runs) / name
    subprocess.run([arguments.program, *words[1:], "--out", str(out), "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads((out / "run.json").read_text("utf-8"))


def sections(text, arguments):
    """(command, begin, end): the part of the text that a command's tables stand in."""
    found = list(COMMAND.finditer(text))
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        heading = re.search(r"^#+ ", text[match.end():end], re.M)
        if heading:
            end = match.end() + heading.start()
        before = text[:match.start()]
        title = re.findall(r"^#+ (.*)$", before, re.M)[-1:]
        small = before.rstrip().endswith("<!-- small -->")
        if arguments.small and not small:
            continue
        if arguments.only and not any(arguments.only in each for each in title):
            continue
        yield match[1], match.end(), end


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("document")
    parser.add_argument("--program", default="build/s3attn")
    parser.add_argument("--data", default="DATA")
    parser.add_argument("--runs", default="s3attn-eval/results")
    parser.add_argument("--only", default="")
    for flag in ("--small", "--check", "--write"):
        parser.add_argument(flag, action="store_true")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.document)
    text = path.read_text("utf-8")
    new, at, different, made = "", 0, 0, 0
    for command, begin, end in sections(text, arguments):
        record = run(command, arguments)
        for table in TABLE.finditer(text, begin, end):
            made_anew = make_table(table[0], record)
            title = table[0].split("\n", 1)[0]
            if made_anew is None:
                print(f"left out, its heads are no figures: {title}", file=sys.stderr)
                continue
            made += 1
            new += text[at:table.start()] + made_anew
            at = table.end()
            if made_anew.rstrip("\n") != table[0].rstrip("\n"):
                different += 1
                if arguments.check:
                    print(f"{path} differs from what {command}\nmakes now:\n{made_anew}")
            if not arguments.check and not arguments.write:
                print(made_anew)
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
