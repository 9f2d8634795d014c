#!/usr/bin/env python3
"""What the product answers: right, wrong, withheld or invented, question by question.

Each question is asked through `s3attn serve` with its own paragraphs as the document of the request
(HotpotQA, MuSiQue), or in one document of all paragraphs of the file (SQuAD). Evidence is absent,
in part or whole as the file has it; with --absent the paragraphs that hold it are left out first.

usage: bench/answers.py --data FILE [--absent] [--only all|part|none] [--reader GGUF or URL]
                        [--budget N] [--withhold CHANCE] [--limit N] [--rows FILE] [--build DIR]
                        [--parallel N] [--serve OPTIONS...]

With --withhold 0 and --rows each row has the decision's chance: every point of the curve at once.
"""
import argparse
import collections
import concurrent.futures
import http.client
import json
import math
import pathlib
import random
import re
import statistics
import string
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DECLINING = ("not contain", "no evidence", "not mention", "not provide", "not state", "not specif",
             "no information", "not enough information", "cannot be determined", "not say",
             "cannot answer", "not known", "unanswerable", "does not answer", "not answer")


def words(text):
    text = "".join(" " if c in string.punctuation else c for c in text.lower())
    return [w for w in text.split() if w not in ("a", "an", "the")]


def contains(answer, golds):
    have = " ".join(words(answer))
    return any(words(g) and f" {' '.join(words(g))} " in f" {have} " for g in golds)


def f1(answer, golds):
    best = 0
    for gold in golds:
        a, b = collections.Counter(words(answer)), collections.Counter(words(gold))
        both = sum((a & b).values())
        if both:
            best = max(best, 2 * both / (sum(a.values()) + sum(b.values())))
    return best


def interval(hits, n):  # Wilson, 95 %
    if n == 0:
        return "of 0"
    z, p = 1.96, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{hits} of {n} ({p:.3f} [{middle - half:.3f}, {middle + half:.3f}])"


def text_of(paragraph):
    body = paragraph.get("text")
    return paragraph["title"] + "\n" + (body if body is not None else "".join(paragraph["sentences"]))


def own_questions(path, absent):
    """Of each: id, group (how much of its evidence is there), question, answers, paragraphs."""
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        paragraphs = row["paragraphs"]
        if "supporting_facts" in row:
            facts = row["supporting_facts"]
            gold = set(facts["title"]) if isinstance(facts, dict) else {fact[0] for fact in facts}
            holds = [p["title"] in gold for p in paragraphs]
            there = len({p["title"] for p, g in zip(paragraphs, holds) if g})
            group = "all" if there == len(gold) else "part" if there else "none"
        else:
            holds = [p.get("is_supporting", False) for p in paragraphs]
            group = "all"
        if absent:
            paragraphs = [p for p, g in zip(paragraphs, holds) if not g]
            group = "none"
        answers = [row["answer"], *row.get("answer_aliases", [])]
        yield row["id"], group, row["question"], answers, [text_of(p) for p in paragraphs]


def pooled_questions(path):
    rows, pool = [], []
    for article in json.load(open(path, encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            pool.append(paragraph["context"])
            for qa in paragraph["qas"]:
                answers = [a["text"] for a in qa["answers"]]
                rows.append((qa["id"], "all", qa["question"], answers, None))
    random.Random(0).shuffle(pool)
    return rows, pool


def program(options):
    return str((ROOT / options.build / "s3attn").resolve())


class Server:
    def __init__(self, options, store, reader):
        command = [program(options), "-q", "serve", store, "--port", "0", "--answers",
                   str(options.parallel)]
        if options.model:
            command += ["--model", options.model]
        if reader:
            command += ["--reader", reader]
        self.process = subprocess.Popen(command + options.serve, stdout=subprocess.PIPE, text=True)
        found = re.search(r":(\d+)/", self.process.stdout.readline())
        if not found:
            sys.exit("error: the server did not start")
        self.port = int(found.group(1))

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1200)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def ask(server, options, question, paragraphs):
    body = {"budget_tokens": options.budget, "evidence": True}
    if options.withhold is not None:
        body["withhold_below"] = options.withhold
    content = question
    if paragraphs is not None:
        content = [{"type": "document", "source": {"type": "text", "media_type": "text/plain",
                                                   "data": "\n\n".join(paragraphs)}},
                   {"type": "text", "text": question}]
    body["messages"] = [{"role": "user", "content": content}]
    if options.max_tokens:
        body["max_tokens"] = options.max_tokens
    path = "/v1/chat/completions"
    if paragraphs is not None:
        path = "/v1/messages"
        body.setdefault("max_tokens", 1024)
    answer = server.post(path, body)
    if paragraphs is None:
        return answer["choices"][0]["message"]["content"], answer
    return "".join(block.get("text", "") for block in answer["content"]), answer


def judge(text, answer, answers):
    if contains(text, answers) or f1(text, answers) >= 0.5:
        return "right"
    if answer.get("withheld") or not answer.get("reader", "x"):
        return "withheld"
    if answer.get("answerable") == 0 or any(d in text.lower() for d in DECLINING):
        return "withheld"
    return "wrong"


def asked(server, options, name, group, question, answers, paragraphs):
    started = time.monotonic()
    text, answer = ask(server, options, question, paragraphs)
    seconds = time.monotonic() - started
    verdict = judge(text, answer, answers)
    keep = ("answerable", "withheld", "quote", "unfounded", "cut", "notes", "sentences")
    return {"id": name, "group": group, "question": question, "answers": answers, "answer": text,
            "verdict": verdict, "f1": 0 if verdict == "withheld" else f1(text, answers),
            "contained": contains(text, answers), "seconds": seconds,
            **{k: answer[k] for k in keep if k in answer},
            "spans": [span["text"] for span in answer.get("evidence", {}).get("spans", [])]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--absent", action="store_true")
    parser.add_argument("--only", choices=("all", "part", "none"))
    parser.add_argument("--model")
    parser.add_argument("--reader", default="")
    parser.add_argument("--budget", type=int, default=1024)
    parser.add_argument("--max-tokens", type=int, default=0)
    parser.add_argument("--withhold", type=float)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--rows")
    parser.add_argument("--build", default="build")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    store = folder + "/store.s3"
    if options.data.endswith(".json"):
        questions, pool = pooled_questions(options.data)
        path = pathlib.Path(folder) / "pool.txt"
        path.write_text("\n\n".join(pool), encoding="utf-8")
        model = ["--model", options.model] if options.model else []
        subprocess.run([program(options), "-q", "index", *model, store, path],
                       check=True, stdout=subprocess.DEVNULL)
        random.Random(1).shuffle(questions)
    else:
        questions = list(own_questions(options.data, options.absent))
    questions = [q for q in questions if not options.only or q[1] == options.only]
    if options.limit:
        questions = questions[:options.limit]
    server = Server(options, store, options.reader)
    out = open(options.rows, "w", encoding="utf-8") if options.rows else None
    counts, scores, seconds = collections.defaultdict(collections.Counter), [], []
    try:
        with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool_of_threads:
            for row in pool_of_threads.map(lambda q: asked(server, options, *q), questions):
                counts[row["group"]][row["verdict"]] += 1
                scores.append(row["f1"])
                seconds.append(row["seconds"])
                if out:
                    out.write(json.dumps(row) + "\n")
                    out.flush()
    finally:
        server.process.terminate()
        server.process.wait()
        subprocess.run(["rm", "-rf", folder], check=False)
    for group, verdicts in sorted(counts.items()):
        n = sum(verdicts.values())
        print(f"evidence {group}: " + "; ".join(
            f"{name} {interval(verdicts[name], n)}" for name in ("right", "wrong", "withheld")))
    print(f"F1 {statistics.mean(scores):.3f}, {statistics.median(seconds):.1f} s a question (median), "
          f"n = {len(scores)}")


if __name__ == "__main__":
    main()
