"""What the repository tests share: the files of the tree and how failures are told."""
import pathlib
import subprocess
import sys

# Folders that are built, not written.
GENERATED = {"build", ".git", "__pycache__"}


def root():
    return pathlib.Path(sys.argv[1]).resolve()


def files(*suffixes):
    """Files of the repository: what git tracks or would track; all but builds without git."""
    top = root()
    listed = subprocess.run(
        ["git", "-C", str(top), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(top)) for path in top.rglob("*")
                 if not any(part in GENERATED or part.startswith("build-")
                            for part in path.relative_to(top).parts)]
    paths = [top / name for name in sorted(set(names))]
    return [path for path in paths
            if path.is_file() and (not suffixes or path.suffix in suffixes or
                                   path.name in suffixes)]


def name(path):
    return str(path.relative_to(root()))


def finish(test, problems, checked):
    """Ends the test: with every problem on its own line, or with what was checked."""
    if not checked:
        problems = problems + ["nothing was checked: the test looks in the wrong place"]
    for problem in problems:
        print(problem)
    print(f"{test}: {checked} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)
