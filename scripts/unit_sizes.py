#!/usr/bin/env python3
"""What the size of units does to what is found: each file's paragraphs (or documents) as one text,
indexed with several sizes (`index --unit-tokens`), its questions searched, and the share of the
evidence among the first tokens found. HotpotQA: the supporting sentences; MuSiQue: the supporting
paragraphs; SQuAD: the answer's words where they stand; LongBench: whether an answer stands in what
was found, of those that stand in the document. With an interval against the first size.

Usage: unit_sizes.py [--program P] [--sizes 128,64,256] [--budget 1024] [--limit N] FILE...
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile


def pooled(records):
    """Text of all distinct paragraphs, and (question, ranges of its evidence) in bytes."""
    places, text, questions = {}, bytearray(), []

    def place_of(title, body):
        if (title, body) not in places:
            if title:
                text.extend(title.encode() + b"\n")
            places[(title, body)] = len(text)
            text.extend(body.encode() + b"\n\n")
        return places[(title, body)]

    shuffled = [(record, paragraph) for record in records for paragraph in record["paragraphs"]]
    random.Random(0).shuffle(shuffled)
    for _, paragraph in shuffled:
        place_of(paragraph["title"], paragraph["text"])
    for record in records:
        ranges = []
        for paragraph in record["paragraphs"]:
            begin = place_of(paragraph["title"], paragraph["text"])
            for first, last in paragraph["evidence"]:
                prefix = len(paragraph["text"][:first].encode())
                ranges.append((begin + prefix,
                               begin + prefix + len(paragraph["text"][first:last].encode())))
        if ranges:
            questions.append((record["question"], ranges))
    return bytes(text), questions


def read_squad(data):
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answer = question["answers"][0]
                begin = answer["answer_start"]
                yield {"question": question["question"], "paragraphs": [
                    {"title": "", "text": paragraph["context"],
                     "evidence": [(begin, begin + len(answer["text"]))]}]}


def read_multihop(lines):
    for record in map(json.loads, lines):
        supporting = {tuple(fact) for fact in record.get("supporting_facts", [])}
        paragraphs = []
        for paragraph in record["paragraphs"]:
            text, evidence = paragraph.get("text", ""), []
            if "sentences" in paragraph:
                for number, sentence in enumerate(paragraph["sentences"]):
                    if (paragraph["title"], number) in supporting and sentence.strip():
                        evidence.append((len(text), len(text) + len(sentence)))
                    text += sentence
            elif paragraph["is_supporting"]:
                evidence = [(0, len(text))]
            paragraphs.append({"title": paragraph["title"], "text": text, "evidence": evidence})
        yield {"question": record["question"], "paragraphs": paragraphs}


def collections_of(path, limit):
    """(text, [(question, ranges or answers)])"""
    path = pathlib.Path(path)
    if path.suffix == ".json":
        records = list(read_squad(json.loads(path.read_text(encoding="utf-8"))))
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
        if "context" in json.loads(lines[0]):
            for record in map(json.loads, lines[:limit or None]):
                answers = [answer for answer in record["answers"] if answer in record["context"]]
                if answers:
                    yield record["context"].encode(), [(record["input"], answers)]
            return
        records = list(read_multihop(lines))
    text, questions = pooled(records)
    if limit and len(questions) > limit:
        questions = random.Random(1).sample(questions, limit)
    yield text, questions


def covered(ranges, spans):
    """Share of the ranges' bytes that spans hold."""
    spans = sorted((span["byte_begin"], span["byte_end"]) for span in spans)
    held = sum(max(0, min(end, last) - max(begin, first))
               for first, last in ranges for begin, end in spans)
    return held / sum(last - first for first, last in ranges)


def found(wanted, spans):
    if isinstance(wanted[0], str):
        return float(any(answer in span["text"] for span in spans for answer in wanted))
    return covered(wanted, spans)


def measure(options, path, size, work):
    shares, units = [], [0, 0]
    for number, (text, questions) in enumerate(collections_of(path, options.limit)):
        source = work / f"{number}.txt"
        source.write_bytes(text)
        store = work / f"{number}-{size}.s3"
        program = [options.program, "-q", *options.rest]
        subprocess.run([*program, "index", store, source, "--unit-tokens", str(size)], check=True,
                       stdout=subprocess.DEVNULL)
        document = json.loads(subprocess.run([*program, "--json", "list", store], check=True,
                                             capture_output=True).stdout)["documents"][0]
        units = [units[0] + document["units"], units[1] + document["tokens"]]
        asked = work / "questions.jsonl"
        asked.write_text("".join(json.dumps({"question": question}) + "\n"
                                 for question, _ in questions))
        done = subprocess.run([*program, "search", store, "--questions", asked, "--budget",
                               str(options.budget)], check=True, capture_output=True, text=True)
        for line, (_, wanted) in zip(done.stdout.splitlines(), questions, strict=True):
            shares.append(found(wanted, json.loads(line)["spans"]))
    return shares, units


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--program", default="build/s3attn")
    parser.add_argument("--sizes", default="128,64,256")
    parser.add_argument("--budget", type=int, default=1024)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--rest", default="", help="further options of the program")
    options = parser.parse_args()
    options.rest = options.rest.split()
    for path in options.files:
        base = None
        for size in map(int, options.sizes.split(",")):
            with tempfile.TemporaryDirectory() as work:
                shares, (units, tokens) = measure(options, path, size, pathlib.Path(work))
            base = base or shares
            differences = [a - b for a, b in zip(shares, base)]
            rng = random.Random(1)
            means = sorted(sum(rng.choices(differences, k=len(differences))) / len(differences)
                           for _ in range(2000))
            print(json.dumps({
                "file": pathlib.Path(path).name, "unit_tokens": size, "questions": len(shares),
                "units": units, "mean_unit": round(tokens / units, 1), "budget": options.budget,
                "evidence": round(sum(shares) / len(shares), 4),
                "against_first": round(sum(differences) / len(differences), 4),
                "interval": [round(means[50], 4), round(means[1949], 4)]}), flush=True)


if __name__ == "__main__":
    main()
