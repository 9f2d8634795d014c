"""What has one owner: locks, write loops and UTF-8 in src/base, flags on the command line."""
import re

import repository

CODE = (".h", ".cpp", ".cu", ".cuh")
# (what, how it looks, the one file that may have it)
OWNED = (
    ("a file lock", re.compile(r"\bflock\s*\(|F_(OFD_)?SETLK|\blockf\s*\("), "src/base/descriptor.cpp"),
    ("a write to a descriptor", re.compile(r"(?<!\w)::p?writev?\s*\("), "src/base/descriptor.cpp"),
    ("a temporary file", re.compile(r"\bmko?s?temps?\s*\("), "src/text/source_file.cpp"),
    ("the bytes of UTF-8", re.compile(r"0x[cC]0[uU]?\)\s*[!=]=\s*0x80"), "src/base/utf8.h"),
)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
COMMENT = re.compile(r"//[^\n]*")
FLAG = re.compile(r"(?<![\w-])--[a-z]|\bs3attn (index|list|verify|train|merge|search|ask)\b")
# Of these the library speaks because it runs them, or because a person must.
OTHER_PROGRAMS = re.compile(r"ocrmypdf|qpdf|llama-gguf-split|tesseract")
# Command lines that are data: LibreOffice's, tesseract's and qpdf's arguments, the one that makes an adapter
# again.
COMMANDS = ("src/text/office_convert.cpp", "src/text/ocr.cpp", "src/text/pdf_beside.cpp", "src/train/record.cpp")


def flags_in(text):
    """Literals of flags of ours; those that stand side by side are one."""
    for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', COMMENT.sub("", text)):
        literal = "".join(part[1:-1] for part in LITERAL.findall(match.group()))
        if FLAG.search(literal) and not OTHER_PROGRAMS.search(literal):
            yield literal


def main():
    # The patterns see what they are for.
    assert list(flags_in('fail("give " "--" "sae")')) == ["give --sae"]
    assert not list(flags_in('fail("run OCR (ocrmypdf --skip-text)"); --i; // "--x"'))
    problems, checked = [], 0
    for path in repository.files(*CODE):
        name = repository.name(path)
        top = name.split("/")[0]
        if top not in ("include", "src", "apps", "eval"):
            continue
        checked += 1
        text = path.read_text(encoding="utf-8")
        for what, pattern, owner in OWNED:
            found = len(pattern.findall(COMMENT.sub("", text)))
            if found > (1 if name == owner else 0):
                problems.append(f"{name}: {what} of its own; {owner} has it")
        if top in ("include", "src") and name not in COMMANDS:
            problems += [f"{name}: the library names a flag or a command: {literal[:80]}"
                         for literal in flags_in(text)]
    repository.finish("owners", problems, checked)


main()
