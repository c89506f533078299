#!/usr/bin/env python3
"""Inputs of the fuzz targets: one file a target in corpus/, one input a line, bytes escaped as Python does.

corpus.py unpack DIRECTORY   writes every input to DIRECTORY/TARGET/NUMBER, as libFuzzer wants them
corpus.py pack DIRECTORY     replaces corpus/ by what is in DIRECTORY
"""

import pathlib
import sys

CORPUS = pathlib.Path(__file__).parent / "corpus"


def unpack(directory):
    for file in CORPUS.glob("*.txt"):
        target = directory / file.stem
        target.mkdir(parents=True, exist_ok=True)
        for number, line in enumerate(file.read_text("ascii").splitlines()):
            (target / str(number)).write_bytes(line.encode("ascii").decode("unicode_escape").encode("latin-1"))


def pack(directory):
    for target in sorted(it for it in directory.iterdir() if it.is_dir()):
        inputs = {it.read_bytes() for it in target.iterdir()}
        lines = [it.decode("latin-1").encode("unicode_escape").decode("ascii") for it in sorted(inputs)]
        (CORPUS / f"{target.name}.txt").write_text("".join(f"{it}\n" for it in lines), "ascii")


if __name__ == "__main__":
    commands = {"unpack": unpack, "pack": pack}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](pathlib.Path(sys.argv[2]))
