"""examples/questions.jsonl: every quote is where it is said to be."""
import json

import repository

BOOK = "the_phantom_of_the_opera.md"
FIELDS = {"question", "answer", "quote", "byte_begin", "byte_end", "line"}


def main():
    folder = repository.root() / "examples"
    book = (folder / BOOK).read_bytes()
    problems, checked = [], 0
    for number, line in enumerate((folder / "questions.jsonl").read_text("utf-8").splitlines(), 1):
        record = json.loads(line)
        checked += 1
        where = f"questions.jsonl:{number}"
        if set(record) != FIELDS:
            problems.append(f"{where}: fields {sorted(record)}")
            continue
        begin, end = record["byte_begin"], record["byte_end"]
        if book[begin:end].decode("utf-8", "replace") != record["quote"]:
            problems.append(f"{where}: bytes {begin}-{end} are not the quote")
        if book.count(b"\n", 0, begin) + 1 != record["line"]:
            problems.append(f"{where}: the quote does not begin in line {record['line']}")
        if book.count(record["quote"].encode("utf-8")) != 1:
            problems.append(f"{where}: the quote does not stand exactly once in the book")
        if not record["question"].endswith("?") or not record["answer"]:
            problems.append(f"{where}: no question or no answer")
    if checked != 10:
        problems.append(f"{checked} questions instead of 10")
    if b"\r" in book:
        problems.append(f"{BOOK}: has carriage returns (converted by git?)")
    repository.finish("examples", problems, checked)


main()
