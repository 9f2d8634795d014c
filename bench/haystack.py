"""The pooled haystack of a MuSiQue or HotpotQA file: every distinct paragraph, shuffled, as one
document."""
import json
import random


class Haystack:
    """text: the document; gold: per question, the byte ranges of its supporting paragraphs."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.records = [json.loads(line) for line in file if line.strip()]
        distinct = dict.fromkeys(_key(paragraph) for record in self.records
                                 for paragraph in record["paragraphs"])
        self.paragraphs = list(distinct)
        random.Random(0).shuffle(self.paragraphs)
        blocks, ranges, position = [], {}, 0
        for title, text in self.paragraphs:
            head = (title + "\n").encode("utf-8")
            body = text.encode("utf-8")
            begin = position + len(head) + len(body) - len(body.lstrip())
            ranges[title, text] = (begin, begin + len(body.strip()))
            blocks.append(head + body + b"\n\n")
            position += len(blocks[-1])
        self.text = b"".join(blocks)
        self.gold = [sorted({ranges[_key(paragraph)] for paragraph in record["paragraphs"]
                             if _supports(record, paragraph)})
                     for record in self.records]

    def questions_jsonl(self):
        return "".join(json.dumps({"question": record["question"]}) + "\n"
                       for record in self.records)

    def recalls(self, answers):
        """Per question, the share of its gold paragraphs that the returned spans cover."""
        if len(answers) != len(self.gold):
            raise SystemExit(f"error: {len(answers)} answers to {len(self.gold)} questions")
        return [recall(gold, [(span["byte_begin"], span["byte_end"]) for span in answer["spans"]])
                for gold, answer in zip(self.gold, answers)]


def _key(paragraph):
    """(title, text); HotpotQA has its text in sentences."""
    return paragraph["title"], paragraph.get("text") or "".join(paragraph["sentences"])


def _supports(record, paragraph):
    if "supporting_facts" in record:
        return paragraph["title"] in {title for title, _ in record["supporting_facts"]}
    return paragraph["is_supporting"]


def covered(target, spans):
    """True when the spans together hold every byte of the target."""
    position, end = target
    for begin, stop in sorted(spans):
        if begin <= position < stop:
            position = stop
    return position >= end


def recall(gold, spans):
    return sum(covered(target, spans) for target in gold) / len(gold)


def bootstrap_interval(values, rounds=2000):
    """95 % percentile interval of the mean."""
    draw = random.Random(1)
    means = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds)]
