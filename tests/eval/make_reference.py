#!/usr/bin/env python3
"""Writes minilm_reference.json: embeddings of all-MiniLM-L6-v2 computed in NumPy, in double
precision, from its published weights, with a WordPiece of its own. What the embedder's test
compares with; run again only to change the texts.

usage: make_reference.py MODEL-DIRECTORY OUT.json
"""
import json
import math
import pathlib
import struct
import sys
import unicodedata

import numpy

TEXTS = [
    "Who translated the book?",
    "The Panthers defense gave up just 308 points, ranking sixth in the league.",
    "Hugo Rodr\u00edguez Romero is a Spanish footballer who plays for a team in the autonomous"
    " community of what?",
    "One of the special magic uuids for 1e9b23bc-50c7-4006-b14d-3441b8a6171f is:"
    " c31edbbc-f36c-462b-892e-6161be2d740a.",
    "\u4e2d\u6587 and emoji \U0001F600, na\u00efve caf\u00e9",
    "A single word",
    "x",
    "A long text. " + "The quick brown fox jumps over the lazy dog near the river bank. " * 40,
]
LIMIT = 256  # tokens, as sentence-transformers sets it


def load(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return {name: numpy.frombuffer(data[8 + size + e["data_offsets"][0]:
                                        8 + size + e["data_offsets"][1]], "<f4")
            .reshape(e["shape"]).astype("float64")
            for name, e in json.loads(data[8:8 + size]).items() if e.get("dtype") == "F32"}


def basic_tokens(text):
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower())
                   if unicodedata.category(c) != "Mn")
    words, word = [], ""
    for c in text:
        code = ord(c)
        alone = (unicodedata.category(c)[0] == "P" or 33 <= code <= 47 or 58 <= code <= 64 or
                 91 <= code <= 96 or 123 <= code <= 126 or 0x4E00 <= code <= 0x9FFF)
        if c.isspace() or alone:
            words += [word] if word else []
            words += [c] if alone else []
            word = ""
        else:
            word += c
    return words + ([word] if word else [])


def word_pieces(word, vocabulary):
    pieces, begin = [], 0
    while begin < len(word):
        for end in range(len(word), begin, -1):
            piece = ("##" if begin else "") + word[begin:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        begin = end
    return pieces


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / numpy.sqrt(variance + 1e-12) * weights[name + ".weight"] + \
        weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def embed(ids, w, heads=12, layers=6):
    x = w["embeddings.word_embeddings.weight"][ids] + \
        w["embeddings.position_embeddings.weight"][:len(ids)] + \
        w["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, w, "embeddings.LayerNorm")
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        q, k, v = (linear(x, w, at + "attention.self." + part)
                   .reshape(len(ids), heads, -1).transpose(1, 0, 2)
                   for part in ("query", "key", "value"))
        logits = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        p = numpy.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        mixed = (p @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = layer_norm(x + linear(mixed, w, at + "attention.output.dense"), w,
                       at + "attention.output.LayerNorm")
        h = linear(x, w, at + "intermediate.dense")
        h = h * 0.5 * (1 + numpy.vectorize(math.erf)(h / math.sqrt(2)))
        x = layer_norm(x + linear(h, w, at + "output.dense"), w, at + "output.LayerNorm")
    mean = x.mean(0)
    return mean / numpy.linalg.norm(mean)


def main():
    directory = pathlib.Path(sys.argv[1])
    words = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")
    vocabulary = {word: number for number, word in enumerate(words) if word}
    weights = load(directory / "model.safetensors")
    rows = []
    for text in TEXTS:
        pieces = [p for word in basic_tokens(text) for p in word_pieces(word, vocabulary)]
        pieces = ["[CLS]"] + pieces[:LIMIT - 2] + ["[SEP]"]
        vector = embed([vocabulary[p] for p in pieces], weights)
        rows.append({"text": text, "tokens": len(pieces),
                     "embedding": [round(float(v), 6) for v in vector]})
    pathlib.Path(sys.argv[2]).write_text(json.dumps(rows, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
