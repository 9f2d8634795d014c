"""LongBench's metrics against the Python packages that it uses: `rouge` and `fuzzywuzzy`, where
these can be imported, and Python's own difflib, re and str for the rest. On random text."""
import collections
import difflib
import json
import random
import re
import string
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
PROGRAM = sys.argv[1]
WORDS = ("the a an The cat Cat's naïve İstanbul ΣΑΣ x2 3rd 12 7, e.g. U.S. end. . .. -- l’a b\u0301a"
         " 日本 ٣ Paragraph \u00a0 \u2003 _the_ answer Ünï code() # // ` {x} ½ ² ").split(" ")


def normal(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def qa_f1(answer, gold, _):
    answer, gold = normal(answer), normal(gold)
    common = sum((collections.Counter(answer) & collections.Counter(gold)).values())
    if common == 0:
        return 0
    precision, recall = common / len(answer), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def numbers(answer, right):
    found = re.findall(r"\d+", answer)
    return found.count(right) / len(found) if found else 0


def retrieval(answer, gold, _):
    return numbers(answer, re.findall(r"Paragraph (\d+)", gold)[0])


def classification(answer, gold, classes):
    named = [name for name in classes if name in answer]
    for name in named:
        if name in gold and name != gold:
            named.remove(name)
    return 1 / len(named) if gold in named else 0


def ratio(answer, gold):
    try:
        from fuzzywuzzy import fuzz
        if fuzz.SequenceMatcher is difflib.SequenceMatcher:
            return fuzz.ratio(answer, gold) / 100
    except ImportError:
        pass
    if answer == gold:
        return 1
    matcher = difflib.SequenceMatcher(None, answer, gold)
    return round(100 * matcher.ratio()) / 100 if answer and gold else 0


def code(answer, gold, _):
    for line in answer.lstrip("\n").split("\n"):
        if "`" not in line and "#" not in line and "//" not in line:
            return ratio(line, gold)
    return ratio("", gold)


def rouge_metric():
    try:
        from rouge import Rouge
    except ImportError:
        return None
    scorer = Rouge()

    def score(answer, gold, _):
        try:
            return scorer.get_scores([answer], [gold], avg=True)["rouge-l"]["f"]
        except ValueError:
            return 0
    return score


METRICS = {"hotpotqa": qa_f1, "passage_count": lambda a, g, _: numbers(a, g),
           "passage_retrieval_en": retrieval, "trec": classification, "lcc": code,
           "qmsum": rouge_metric()}


def text(rng, most, separators=" \n"):
    words = [rng.choice(WORDS) for _ in range(rng.randrange(most))]
    return "".join(word + rng.choice(separators + "   ") for word in words)


def rows_of(task, rng):
    for _ in range(300):
        row = {"pred": text(rng, 60), "answers": [text(rng, 40) or "x"], "all_classes": None}
        if task == "passage_count":
            row["answers"] = [str(rng.randrange(20))]
            row["pred"] = " ".join(str(rng.randrange(20)) for _ in range(rng.randrange(4)))
        elif task == "passage_retrieval_en":
            row["answers"] = [f"Paragraph {rng.randrange(9)}"]
            row["pred"] += f" Paragraph {rng.randrange(9)}"
        elif task == "trec":
            row["all_classes"] = ["the cat", "cat", "code", "code()", "x", "answer", "an"]
            row["pred"] = row["pred"].replace("\n", " ")
            row["answers"] = [rng.choice(row["all_classes"])]
        yield row


def main():
    rng = random.Random(5)
    checked = 0
    for task, metric in METRICS.items():
        if metric is None:
            print(f"{task}: skipped, the package `rouge` is not installed")
            continue
        rows = list(rows_of(task, rng))
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            ours = subprocess.run([PROGRAM, "eval", "score", "--rows", "--task", task, file.name],
                                  capture_output=True, text=True, check=True).stdout.split()
        assert len(ours) == len(rows), (task, len(ours))
        nonzero = 0
        for row, score in zip(rows, ours):
            answer = row["pred"]
            if task == "trec":
                answer = answer.lstrip("\n").split("\n")[0]
            expected = metric(answer, row["answers"][0], row["all_classes"])
            assert abs(float(score) - expected) < 1e-12, (task, row, score, expected)
            nonzero += expected > 0
        assert nonzero > 20, (task, nonzero)
        checked += len(rows)
        print(f"{task}: {len(rows)} equal, {nonzero} of them above 0")
    print(f"{checked} rows checked")


main()
