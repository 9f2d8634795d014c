"""``python -m s3attn COMMAND ...``: the program that a wheel brings along."""

import os
import sys

from s3attn.evaluation import _program


def main() -> None:
    program = _program()
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
