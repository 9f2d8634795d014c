"""`eval score` against the suites' rules, written in Python from their definitions, on random rows:
RULER, BABILong and InfiniteBench. rougeLsum also against the package rouge_score, where it is
installed (PYTHONPATH=... ctest -R eval.suites_parity).

usage: suites_parity.py PROGRAM
"""
import collections
import json
import random
import re
import string
import subprocess
import sys
import tempfile

PROGRAM = sys.argv[1]
ROOMS = ["bathroom", "bedroom", "garden", "hallway", "kitchen", "office"]
BABI = {"qa1": ROOMS, "qa5": ["bill", "fred", "jeff", "mary", "apple", "football", "milk"],
        "qa8": ["apple", "football", "milk", "nothing"],
        "qa19": "e,e e,n e,s n,e n,n n,w s,e s,s s,w w,n w,s w,w".split(),
        "qa20": ["bedroom", "bored", "garden", "hungry", "kitchen", "thirsty", "tired"]}


def ruler(row, any_one):
    text = re.sub(r"[\x00-\x1f]", "\n", row["pred"].strip()).strip().lower()
    hits = [reference.lower() in text for reference in row["outputs"]]
    return float(any(hits)) if any_one else sum(hits) / len(hits)


def babilong(row, task):
    said = row["output"].lower()
    for end in (".", "<context>", "<example>"):
        said = said.partition(end)[0]
    named = {label for label in BABI[task]
             if label in said and label not in row["question"].lower()}
    target = row["target"].lower()
    wanted = set(target.split(",")) if "," in target and len(target) > 3 else {target}
    count = target.count(",") + 1 if len(wanted) > 1 or ("," in target and len(target) > 3) else 1
    return float(wanted <= named and len(named) == count)


def spaced(text, signs):
    for sign in signs:
        text = text.replace(sign, " ")
    return text


def numbers(text):
    return re.findall("[0-9]+", text)


def squeezed(text):
    return re.sub(" +", " ", text)


def behind(text, phrases):
    """What follows the first phrase that is there, one sign on; None where none is."""
    for phrase in phrases:
        if phrase in text:
            return text[text.index(phrase) + len(phrase) + 1:]
    return None


def debug(row):
    name, letter = row["ground_truth"]
    if row["prediction"][:2] in (letter + ".", letter + ":"):
        return 1.0
    text = squeezed(spaced(row["prediction"].strip(),
                           ["\n", "`", "'", '"', "-", "*", "Option", "option"]))
    rest = behind(text, ["answer is:", "is:", "answer:"])
    return float(bool(rest) and (rest.startswith(letter) or rest.startswith(name)))


def choice(row):
    label, text = row["ground_truth"], row["prediction"]
    if not text:
        return 0.0
    if text[0] in "ABCD":
        return float(text[0] in label)
    text = squeezed(spaced(text, ["\n", '"', "'", ".", ",", "?", "!", "{", "}"]))
    rest = behind(text, ["answer is:", "answer:", "answer is", "option is"])
    if rest is not None:
        return float(bool(rest) and any(rest.startswith(each) for each in label))
    for word in text.split():
        if word in "ABCD":
            return float(word in label)
    return 0.0


def code_run(row):
    words = spaced(row["prediction"].strip(), ["\n", ".", "`", "'", '"', ":"]).split()
    try:
        return float(bool(words) and int(words[-1]) == row["ground_truth"])
    except ValueError:
        return 0.0


def math_find(row):
    found = re.search(r"\d+\.\d+|\d+", row["prediction"])
    if not found:
        return 0.0
    if isinstance(row["ground_truth"], int):
        return float("." not in found[0] and int(found[0]) == row["ground_truth"])
    return float(float(found[0]) == row["ground_truth"])


def math_calc(row):
    right = 0
    for one, other in zip(row["ground_truth"], map(int, numbers(row["prediction"]))):
        if one != other:
            break
        right += 1
    return right / len(row["ground_truth"])


def overlap_f1(said, right):
    common = sum((collections.Counter(said) & collections.Counter(right)).values())
    return 2 * common / (len(said) + len(right)) if common else 0.0


def chinese(text):
    return [c for c in text.lower() if not c.isspace() and c not in string.punctuation + "，。？！、"]


def rouge_lsum(said, right):
    def lines(text):
        return [re.findall("[a-z0-9]+", line.lower()) for line in text.split("\n") if line]

    def used(line, other):
        table = [[0] * (len(other) + 1) for _ in range(len(line) + 1)]
        for i, a in enumerate(line):
            for j, b in enumerate(other):
                table[i + 1][j + 1] = (table[i][j] + 1 if a == b
                                       else max(table[i][j + 1], table[i + 1][j]))
        i, j, out = len(line), len(other), set()
        while i and j:
            if line[i - 1] == other[j - 1]:
                i, j = i - 1, j - 1
                out.add(i)
            elif table[i][j - 1] > table[i - 1][j]:
                j -= 1
            else:
                i -= 1
        return out

    said, right = lines(said), lines(right)
    left = [collections.Counter(word for line in text for word in line) for text in (said, right)]
    sizes = [sum(counter.values()) for counter in left]
    if not all(sizes):
        return 0.0
    hits = 0
    for line in right:
        for i in sorted(set().union(*(used(line, other) for other in said))):
            if all(counter[line[i]] > 0 for counter in left):
                hits += 1
                for counter in left:
                    counter[line[i]] -= 1
    recall, precision = hits / sizes[1], hits / sizes[0]
    return 2 * recall * precision / (recall + precision) if hits else 0.0


def words(rng, pool, most, between=(" ", "\n", ". ", ", ", ": ")):
    return "".join(rng.choice(pool) + rng.choice(between) for _ in range(rng.randrange(most + 1)))


def rows_of(task, rng):
    plain = ["abc", "VAR", "Xyz", "71432", "-17", "4", "3.5", "12", "the", "A", "B", "C", "D",
             "answer is:", "Option", "fn_one", "is:", "answer:", "<context>", "灯塔", "é"]
    if task.startswith("ruler"):
        return {"pred": words(rng, plain, 12, (" ", "\n", "\x01", "")),
                "outputs": [rng.choice(["ABC", "xyz", "71432", "灯塔", "É"])
                            for _ in range(rng.randrange(1, 4))]}
    if task.startswith("babilong"):
        labels = BABI[task.split("/")[1]]
        target = rng.choice(labels)
        if task.endswith("qa8") and rng.random() < .5:
            target = ",".join(rng.sample(labels, 2))
        return {"output": words(rng, [*map(str.title, labels), "<example>", "x"], 4),
                "target": target, "question": words(rng, ["Where is", *labels[:2]], 2) + "?"}
    said = words(rng, plain, 10)
    truth = {"code_run": rng.choice([4, -17, 12]), "math_find": rng.choice([4, 3.5, 12]),
             "math_calc": [4, 12, rng.choice([3, 71432])],
             "code_debug": ["fn_one", rng.choice("ABCD")],
             "longbook_choice_eng": ["abc", rng.choice("ABCD")],
             "longbook_qa_eng": [words(rng, plain, 5) or "x"],
             "longbook_qa_chn": ["灯塔，在abc。"], "longdialogue_qa_eng": ["ABC"]}
    name = task.split("/")[1]
    if name == "math_calc":
        said = words(rng, ["4", "12", "3"], 5)
    if name == "longbook_sum_eng":
        return {"prediction": words(rng, plain, 30), "ground_truth": words(rng, plain, 30) or "x"}
    return {"prediction": said, "ground_truth": truth.get(name, "71432")}


def in_words(row, upper=False):
    said = spaced(row["prediction"], ["\n", ":", '"', "'", ".", ",", "?", "!", "{", "}"]).split()
    label = row["ground_truth"][0] if upper else row["ground_truth"]
    return float(label in [word.upper() if upper else word for word in said])


def english(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


TASKS = {
    "ruler/vt": lambda row: ruler(row, False), "ruler/niah_multivalue": lambda row: ruler(row, False),
    "ruler/qa_1": lambda row: ruler(row, True),
    **{f"babilong/{task}": (lambda row, task=task: babilong(row, task)) for task in BABI},
    "infinitebench/passkey": lambda row: float(numbers(row["prediction"])[:1] ==
                                               [row["ground_truth"]]),
    "infinitebench/kv_retrieval": in_words,
    "infinitebench/longdialogue_qa_eng": lambda row: in_words(row, True),
    "infinitebench/code_run": code_run, "infinitebench/code_debug": debug,
    "infinitebench/longbook_choice_eng": choice, "infinitebench/math_find": math_find,
    "infinitebench/math_calc": math_calc,
    "infinitebench/longbook_qa_eng": lambda row: overlap_f1(english(row["prediction"]),
                                                            english(row["ground_truth"][0])),
    "infinitebench/longbook_qa_chn": lambda row: overlap_f1(chinese(row["prediction"]),
                                                            chinese(row["ground_truth"][0])),
    "infinitebench/longbook_sum_eng": lambda row: rouge_lsum(row["prediction"],
                                                             row["ground_truth"]),
}


def main():
    rng = random.Random(8)
    try:
        from rouge_score import rouge_scorer
        package = rouge_scorer.RougeScorer(["rougeLsum"])
    except ImportError:
        package = None
    checked = 0
    for task, metric in TASKS.items():
        rows = [rows_of(task, rng) for _ in range(200)]
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            done = subprocess.run([PROGRAM, "eval", "score", "--rows", "--task", task, file.name],
                                  capture_output=True, text=True)
        assert done.returncode == 0, (task, done.stderr)
        ours = list(map(float, done.stdout.split()))
        assert len(ours) == len(rows), (task, len(ours))
        for row, score in zip(rows, ours):
            assert abs(score - metric(row)) < 1e-12, (task, row, score, metric(row))
            if package and task.endswith("longbook_sum_eng"):
                theirs = package.score(row["ground_truth"], row["prediction"])["rougeLsum"].fmeasure
                assert abs(score - theirs) < 1e-9, (row, score, theirs)
        some = sum(score > 0 for score in ours)
        assert some > 1, (task, some)
        checked += len(rows)
        print(f"{task}: {len(rows)} equal, {some} of them above 0")
    print(f"{checked} rows checked" + (", rougeLsum also by rouge_score" if package else ""))


main()
