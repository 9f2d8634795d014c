#!/usr/bin/env python3
"""Fits the weights of src/answer/quote.cpp to rows of `s3attn eval quotes --features`.

usage: fit_quotes.py ROWS.jsonl...    (of train files; needs NumPy)

A sentence's chance is a softmax over the evidence's sentences of a weighted sum of features; the
weights make the sentences that hold the answer as likely as can be, and stay near PRIOR.
"""
import json
import sys

import numpy

ATTENTION = ("log_mass", "cosine", "mass_in_span")


def read(paths):
    rows, names = [], []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                names = row["names"]
                if any(row["right"]) and not all(row["right"]):
                    rows.append((numpy.array(row["features"]), numpy.array(row["right"])))
    return rows, names


# What was taken before any data was seen: the train files ask in several hops, where the words of
# the question and the answer seldom share a sentence, and users mostly ask in one. The fit moves
# away from it as far as the data pull.
PRIOR = {"log_mass": 0.35, "cosine": 2.0, "mass_in_span": 0.8, "span_rank": -0.5, "span_score": 1.0,
         "words": 3.0, "words_around": 1.0, "kind_fits": 0.6, "length": 0.1, "begins": 0.0,
         "question": -1.0}
WORDS_ALONE = {**PRIOR, "log_mass": 0.0, "cosine": 0.0, "mass_in_span": 0.0, "words": 4.0}


def fit(rows, names, used, prior, penalty=100.0, steps=800, rate=0.03):
    mask = numpy.array([name in used for name in names], dtype=float)
    scale = numpy.concatenate([x for x, _ in rows]).std(axis=0) + 1e-9
    begin = numpy.array([prior[name] for name in names]) * scale
    weights = begin.copy()
    first, second = numpy.zeros(len(names)), numpy.zeros(len(names))
    for step in range(1, steps + 1):
        gradient = penalty * (weights - begin) / len(rows)
        for x, right in rows:
            scaled = x / scale
            chance = numpy.exp((scaled @ weights) - (scaled @ weights).max())
            chance /= chance.sum()
            wanted = chance * right
            wanted /= wanted.sum()
            gradient += (chance - wanted) @ scaled / len(rows)
        gradient *= mask
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient ** 2
        weights -= rate * (first / (1 - 0.9 ** step)) / (
            numpy.sqrt(second / (1 - 0.999 ** step)) + 1e-8)
    return weights / scale


def top_one(rows, weights):
    return numpy.mean([right[(x @ weights).argmax()] for x, right in rows])


def main():
    rows, names = read(sys.argv[1:])
    for title, used, prior in (
            ("kWithAttention", names, PRIOR),
            ("kWordsAlone", [n for n in names if n not in ATTENTION], WORDS_ALONE)):
        weights = fit(rows, names, used, prior)
        print(f"{title}{{{', '.join(f'{w:.3g}' for w in weights)}}}"
              f"  // {len(rows)} questions, best sentence right for {top_one(rows, weights):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
