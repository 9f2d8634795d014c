"""What may stand in the tree: sizes, no path of one machine, links that lead somewhere."""
import re

import repository

MEGABYTE = 1 << 20
MODELS_LIMIT = 25 * MEGABYTE
FILE_LIMIT = 2 * MEGABYTE  # outside models/
TEXT_SUFFIXES = (".h", ".cpp", ".cc", ".cu", ".py", ".sh", ".md", ".txt", ".cmake", ".json",
                 ".jsonl", ".yml", ".yaml", ".toml", ".js", ".html", ".css", "Makefile", "run")
# Home directories and mounts; written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.$}~-])/(root\b|home/[a-z]|Users/[A-Za-z]|work/|mnt/[a-z])")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main():
    problems, checked, models = [], 0, 0
    for path in repository.files():
        checked += 1
        size = path.stat().st_size
        parts = path.relative_to(repository.root()).parts
        if parts[0] == "models":
            models += size
        elif size > FILE_LIMIT:
            problems.append(f"{repository.name(path)}: {size / MEGABYTE:.1f} MB"
                            f" (more than {FILE_LIMIT // MEGABYTE})")
        if path.suffix not in TEXT_SUFFIXES and path.name not in TEXT_SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if parts[0] != "examples" and size <= FILE_LIMIT:
            for number, line in enumerate(text.split("\n"), 1):
                if MACHINE_PATH.search(line):
                    problems.append(f"{repository.name(path)}:{number}: a path of one machine:"
                                    f" {line.strip()[:80]}")
        if path.suffix == ".md" and parts[0] != "examples" or path.name == "README.md":
            for target in LINK.findall(text):
                if "://" not in target and not target.startswith("mailto:") and \
                        not (path.parent / target).exists():
                    problems.append(f"{repository.name(path)}: link to {target} leads nowhere")
    if models > MODELS_LIMIT:
        problems.append(f"models/ holds {models / MEGABYTE:.1f} MB"
                        f" (more than {MODELS_LIMIT // MEGABYTE})")
    repository.finish("tree", problems, checked)


main()
