#!/usr/bin/env python3
"""Fits the weights of src/answer/answerable.cpp to rows of `s3attn eval quotes`.

usage: fit_answerable.py --present ROWS... --absent ROWS...   (train files; needs NumPy)

`present`: rows of questions whose evidence is among what was searched (--from search), `absent`: of
the same with it taken out (--from absent). Logistic regression, L2; prints the weights, then how
many of the absent are refused where so many of the present are refused as well.
"""
import argparse
import json

import numpy


def rows(paths):
    out = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            out += [json.loads(line)["judged_by"] for line in file]
    return numpy.array(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--present", nargs="+", required=True)
    parser.add_argument("--absent", nargs="+", required=True)
    arguments = parser.parse_args()
    present, absent = rows(arguments.present), rows(arguments.absent)
    x = numpy.concatenate([present, absent])
    y = numpy.concatenate([numpy.ones(len(present)), numpy.zeros(len(absent))])
    scale, mean = x.std(axis=0) + 1e-9, x.mean(axis=0)
    z = numpy.hstack([(x - mean) / scale, numpy.ones((len(x), 1))])
    weights = numpy.zeros(z.shape[1])
    for _ in range(3000):
        chance = 1 / (1 + numpy.exp(-z @ weights))
        penalty = numpy.append(weights[:-1], 0) * 1.0
        weights -= 0.5 * (z.T @ (chance - y) + penalty) / len(x)
    plain = weights[:-1] / scale
    constant = weights[-1] - (plain * mean).sum()
    print("kWeights{" + ", ".join(f"{w:.3g}" for w in [*plain, constant]) + "}")
    score = lambda rows_: 1 / (1 + numpy.exp(-(rows_ @ plain + constant)))
    for refused in (0.02, 0.05, 0.1, 0.2):
        point = numpy.quantile(score(present), refused)
        print(f"below {point:.3f}: refused {refused:.2f} of {len(present)} present, "
              f"{(score(absent) < point).mean():.2f} of {len(absent)} absent")


if __name__ == "__main__":
    main()
