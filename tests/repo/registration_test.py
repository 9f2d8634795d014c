"""Every test file is named in a CMakeLists.txt, and every test folder has one."""
import re

import repository


def main():
    problems, checked = [], 0
    for path in repository.files(".cpp", ".py"):
        parts = path.relative_to(repository.root()).parts
        is_test = parts[0] == "tests" and (path.stem.endswith("_test") or
                                           path.stem.startswith("test_"))
        if not is_test:
            continue
        checked += 1
        lists = path.parent / "CMakeLists.txt"
        if not lists.is_file():
            problems.append(f"{repository.name(path)}: no CMakeLists.txt beside it")
            continue
        text = re.sub(r"#.*", "", lists.read_text(encoding="utf-8"))
        if path.suffix == ".cpp":
            registered = re.search(rf"(?<![\w]){re.escape(path.name)}(?!\w)", text)
        else:  # by name, or as <name>_test.py in a loop over names
            short = re.sub(r"^test_|_test$", "", path.stem)
            registered = re.search(rf"(?<!\w)({re.escape(path.stem)}|{re.escape(short)})(?!\w)",
                                   text)
        if not registered:
            problems.append(f"{repository.name(path)}: not named in {repository.name(lists)}")
    repository.finish("registration", problems, checked)


main()
