#!/usr/bin/env python3
"""Compares what is read of documents, word for word, with what another program reads of them.

    scripts/completeness.py [--program build/print_text] [--show] [FILE...]

Without files it makes them with real programs (pandoc, LibreOffice, Python's own mail package) from the
example book and the pages in docs/. The other reader is pandoc where it reads the format, LibreOffice where
it does not, pdftotext for PDF, Python for mail. Prints a Markdown table: words that only the other one
has, words that only we have, seconds that ours took. --show names the words.
"""
import argparse
import collections
import csv
import email
import email.message
import email.policy
import json
import mailbox
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
BY_PANDOC = {"html": "html", "docx": "docx", "odt": "odt", "epub": "epub", "rst": "rst", "org": "org",
             "tex": "latex", "ipynb": "ipynb", "md": "gfm", "fodt": None}
PICTURES = f"--resource-path={ROOT / 'docs'}"
SLIDES = {"pptx", "odp"}
SHEETS = {"xlsx", "ods"}


def call(*command, **keywords):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True,
                          timeout=600, **keywords).stdout


def office(work, source, target, filter_name=""):
    """`source` as a file of the ending `target`, by LibreOffice."""
    call("soffice", "--headless", f"-env:UserInstallation=file://{work}/profile", "--convert-to",
         target + (":" + filter_name if filter_name else ""), "--outdir", work, source)
    return work / (pathlib.Path(source).stem + "." + target)


def words_of(text):
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "").lower()
    return collections.Counter(re.findall(r"[^\W_]+", text))


def text_of_mail(message):
    text = " ".join(f"{name}: {message[name]}" for name in ("From", "To", "Cc", "Date", "Subject")
                    if message[name])
    for part in message.walk():
        if part.get_filename():
            text += f"\nAttachment: {part.get_filename()}"
        if part.get_content_type() == "text/html":
            text += "\n" + call("pandoc", "-f", "html", "-t", "plain", "--wrap=none",
                                input=part.get_content().encode()).decode()
        elif part.get_content_maintype() == "text":
            text += "\n" + part.get_content()
    return text


def reference(path, work):
    """What another program reads, and its name."""
    ending = path.suffix[1:]
    if ending == "pdf":
        return call("pdftotext", "-enc", "UTF-8", path, "-").decode(), "pdftotext"
    if ending in ("eml", "mbox"):
        mails = ([email.message_from_bytes(path.read_bytes(), policy=email.policy.default)]
                 if ending == "eml" else
                 [email.message_from_bytes(mail.as_bytes(), policy=email.policy.default)
                  for mail in mailbox.mbox(path)])
        return "\n".join(text_of_mail(mail) for mail in mails), "Python"
    if ending in SHEETS:
        made = work / "sheets"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        # Every sheet, UTF-8, as shown; -1: a file for each.
        call("soffice", "--headless", f"-env:UserInstallation=file://{work}/profile", "--convert-to",
             "csv:Text - txt - csv (StarCalc):9,34,76,1,,0,false,true,false,false,false,-1",
             "--outdir", made, path)
        # A sheet's name stands in its file's: NAME-SHEET.csv.
        return "\n".join(file.stem[len(path.stem):] + "\n" + file.read_text(encoding="utf-8")
                         for file in made.iterdir()), "LibreOffice"
    if ending in SLIDES:
        return (call("pdftotext", "-enc", "UTF-8", office(work, path, "pdf"), "-").decode(),
                "LibreOffice")
    if ending in ("csv", "tsv", "srt", "txt"):
        return path.read_text(encoding="utf-8"), "the file itself"
    if BY_PANDOC.get(ending):
        return (call("pandoc", "-f", BY_PANDOC[ending], "-t", "plain", "--wrap=none", path).decode(),
                "pandoc")
    text = office(work, path, "txt", "Text (encoded):UTF8")
    return text.read_text(encoding="utf-8-sig"), "LibreOffice"


def make_corpus(folder, work):
    book = (ROOT / "examples/the_phantom_of_the_opera.md").read_text(encoding="utf-8")[:60000]
    sources = {"book": book[:book.rfind("\n\n")],
               "retrieval": (ROOT / "docs/retrieval.md").read_text(encoding="utf-8"),
               "serve": (ROOT / "docs/serve.md").read_text(encoding="utf-8")}
    for name, text in sources.items():
        source = folder / f"{name}.md"
        source.write_text(text, encoding="utf-8")
        for ending in ("html", "docx", "odt", "epub", "rtf", "rst", "org", "tex"):
            call("pandoc", PICTURES, "-f", "gfm", "-s", "--metadata", f"title={name}", source, "-o",
                 folder / f"{name}.{ending}")
        cells = [{"cell_type": "markdown", "metadata": {}, "source": part}
                 for part in text.split("\n\n")[:60]]
        (folder / f"{name}.ipynb").write_text(json.dumps(
            {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
        for ending in ("doc", "pdf", "fodt"):
            shutil.move(office(work, folder / f"{name}.docx", ending), folder)
    for name in ("retrieval", "serve"):
        call("pandoc", PICTURES, "-f", "gfm", folder / f"{name}.md", "-o", folder / f"{name}.pptx")
        shutil.move(office(work, folder / f"{name}.pptx", "odp"), folder)
    rows = [re.findall(r"[\w.%+-]+", line)[:7] for line in sources["book"].split("\n") if line]
    with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[f"column {i}" for i in range(7)]] + rows)
    for ending in ("xlsx", "ods"):
        shutil.move(office(work, folder / "rows.csv", ending), folder)
    box = mailbox.mbox(folder / "mails.mbox")
    paragraphs = sources["book"].split("\n\n")
    for number in range(6):
        mail = email.message.EmailMessage()
        mail["From"], mail["To"] = f"Åsa Lindqvist {number} <a@example.com>", "b@example.com"
        mail["Subject"] = f"Über den Brief {number}"
        mail["Date"] = f"Mon, {number + 1} Mar 2021 10:00:00 +0000"
        mail.set_content("\n\n".join(paragraphs[number * 9 + 20:number * 9 + 29]))
        if number == 0:
            mail.add_attachment((folder / "serve.html").read_text(encoding="utf-8"),
                                subtype="html", filename="serve.html")
            (folder / "mail.eml").write_bytes(mail.as_bytes())
        box.add(mail)
    box.close()
    return sorted(path for path in folder.iterdir() if path.suffix != ".md" or path.stem == "serve")


def compare(path, arguments, work):
    begin = time.monotonic()
    ours = subprocess.run([arguments.program, str(path)], capture_output=True, timeout=600)
    seconds = time.monotonic() - begin
    if ours.returncode != 0:
        raise SystemExit(f"{path}: {ours.stderr.decode()}")
    theirs, by = reference(path, work)
    have, want = words_of(ours.stdout.decode()), words_of(theirs)
    missing, added = want - have, have - want
    print(f"| {path.name} | {by} | {want.total():,} | {missing.total():,} | {added.total():,} | "
          f"{seconds:.2f} |", flush=True)
    if arguments.show:
        for what, words in (("missing", missing), ("added", added)):
            if words:
                print(f"  {what}:", *(f"{word} x{count}" for word, count in words.most_common(25)))
        if ours.stderr:
            print("  notes:", ours.stderr.decode().replace("\n", "\n         "))
    return missing.total()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=str(ROOT / "build/print_text"))
    parser.add_argument("--show", action="store_true", help="name the words")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    lacking = [name for name in ("pandoc", "soffice", "pdftotext") if not shutil.which(name)]
    if lacking:
        print(f"skipped: not installed: {', '.join(lacking)} (scripts/setup.sh --test-packages)")
        return 0
    with tempfile.TemporaryDirectory(prefix="s3attn-complete-") as name:
        work = pathlib.Path(name)
        (work / "files").mkdir()
        files = arguments.files or make_corpus(work / "files", work)
        print("| file | other reader | its words | missing | added | seconds |\n"
              "| --- | --- | ---: | ---: | ---: | ---: |")
        for path in files:
            compare(path.absolute(), arguments, work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
