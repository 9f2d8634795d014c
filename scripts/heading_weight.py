#!/usr/bin/env python3
"""How much a word in a heading should weigh: recall of BM25 on files of paragraphs (MuSiQue,
HotpotQA), their titles as part of the text, not at all, and as a field of its own with several
weights. Terms are SQLite's porter stems. Usage: heading_weight.py FILE.jsonl..."""

import json
import math
import random
import re
import sqlite3
import sys
from collections import defaultdict

STOP_WORDS = set("""a an and are as at be but by for if in into is it no not of on or such that the
their then there these they this to was will with""".split())
K1, B = 1.2, 0.75


def load(path):
    """Distinct (title, text) paragraphs, and (question, places of its evidence)."""
    places, questions = {}, []
    with open(path, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            supporting = {fact[0] for fact in record.get("supporting_facts", [])}
            gold = set()
            for paragraph in record["paragraphs"]:
                text = paragraph.get("text") or "".join(paragraph["sentences"])
                place = places.setdefault((paragraph["title"], text), len(places))
                if paragraph.get("is_supporting") or paragraph["title"] in supporting:
                    gold.add(place)
            questions.append((record["question"], gold))
    return list(places), questions


def count_terms(rows):
    """[column][term][row] -> occurrences, and [column][row] -> words."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(x, h, tokenize = 'porter unicode61')")
    database.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")
    for i, (text, heading) in enumerate(rows):
        database.execute("INSERT INTO t(rowid, x, h) VALUES (?, ?, ?)", (i, text, heading))
    counts = {column: defaultdict(lambda: defaultdict(int)) for column in "xh"}
    lengths = {column: [0] * len(rows) for column in "xh"}
    for term, row, column in database.execute("SELECT term, doc, col FROM v"):
        counts[column][term][row] += 1
        lengths[column][row] += 1
    return counts, lengths


def recalls(counts, lengths, weight, titles_count, asked, questions):
    """R@5, R@10, R@20 of each question."""
    n = len(lengths["x"])
    words = [x + (h if titles_count else 0) for x, h in zip(lengths["x"], lengths["h"])]
    mean = sum(words) / n
    results = []
    for terms, (_, gold) in zip(asked, questions):
        scores = defaultdict(float)
        for term in terms:
            text = counts["x"].get(term, {})
            heading = counts["h"].get(term, {}) if weight > 0 else {}
            rows = set(text) | set(heading)
            idf = max(1e-6, math.log((n - len(rows) + 0.5) / (len(rows) + 0.5)))
            for row in rows:
                f = text.get(row, 0) + weight * heading.get(row, 0)
                scores[row] += idf * f * (K1 + 1) / (f + K1 * (1 - B + B * words[row] / mean))
        best = sorted(scores, key=lambda row: (-scores[row], row))
        results.append([len(gold & set(best[:k])) / len(gold) for k in (5, 10, 20)])
    return results


def report(path):
    paragraphs, questions = load(path)
    questions = [question for question in questions if question[1]]
    counts, lengths = count_terms([(text, title) for title, text in paragraphs])
    words = [[word for word in re.findall(r"\w+", question.lower()) if word not in STOP_WORDS]
             for question, _ in questions]
    asked_counts, _ = count_terms([(" ".join(each), "") for each in words])
    asked = [[] for _ in questions]
    for term, rows in asked_counts["x"].items():
        for row in rows:
            asked[row].append(term)
    print(f"{path}: {len(paragraphs)} paragraphs, {len(questions)} questions")
    base = recalls(counts, lengths, 1, True, asked, questions)
    for name, weight, titles_count in (("in the text", 1, True), ("none", 0, False),
                                       *((f"{w} times", w, False) for w in
                                         (0.5, 0.7, 0.8, 0.9, 1, 2, 3))):
        found = recalls(counts, lengths, weight, titles_count, asked, questions)
        at5, at10, at20 = (sum(each[k] for each in found) / len(found) for k in range(3))
        rng = random.Random(1)
        differences = [a[1] - b[1] for a, b in zip(found, base)]
        means = sorted(sum(rng.choices(differences, k=len(differences))) / len(differences)
                       for _ in range(2000))
        print(f"  title {name:12} R@5 {at5:.3f}  R@10 {at10:.3f}  R@20 {at20:.3f}  R@10 against "
              f"'in the text' {sum(differences) / len(differences):+.3f} "
              f"[{means[50]:+.3f}, {means[1949]:+.3f}]")


for file in sys.argv[1:]:
    report(file)
