#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Injects one fault at a time into a copy of the sources. Called by mutate.sh and static.sh.

Usage: mutations.py list          print one per line: number, where, test, description
       mutations.py check ROOT    check that each fault applies exactly once below ROOT
       mutations.py put N ROOT    inject fault N below ROOT; keeps a copy of the file
       mutations.py back N ROOT   restore the file

The faults are in the file "mutations" in this folder; its head describes the format.
"""

import os
import sys


class Mutation:
    def __init__(self, path):
        self.path, self.old, self.new, self.where, self.test = path, [], [], None, None

    def text(self):
        def short(lines):
            return " ".join(" ".join(lines).split()) or "nothing"
        return f"{self.path}: {short(self.old)} => {short(self.new)}"


def read():
    found = []
    with open(os.path.join(os.path.dirname(__file__), "mutations"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            mark, rest = line[:2].rstrip("\n"), line[2:].rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            if mark == "@ ":
                found.append(Mutation(rest))
            elif mark in ("- ", "-"):
                found[-1].old.append(rest)
            elif mark in ("+ ", "+"):
                found[-1].new.append(rest)
            elif mark == "? ":
                found[-1].where, found[-1].test = rest.rsplit(None, 1)
            else:
                sys.exit(f"mutations: line {number} begins with none of @ - + ?")
    for m in found:
        if not (m.old and m.where):
            sys.exit(f"mutations: {m.path}: the text to replace, or the test, is missing")
    return found


def kept(path):
    # a dot file, which apply.sh does not put into the kernel tree
    return os.path.join(os.path.dirname(path), "." + os.path.basename(path))


def place(m, path):
    """Return the source and the text to replace, which must occur exactly once."""
    with open(path, encoding="utf-8") as f:
        source = f.read()
    old = "\n".join(m.old)
    if source.count(old) != 1:
        sys.exit(f"{m.path} contains this {source.count(old)} times: {old}")
    return source, old


def put(m, path):
    source, old = place(m, path)
    with open(kept(path), "w", encoding="utf-8") as f:
        f.write(source)
    with open(path, "w", encoding="utf-8") as f:
        f.write(source.replace(old, "\n".join(m.new)))


def back(path):
    # not renamed: make must see a new time stamp
    with open(kept(path), encoding="utf-8") as f:
        source = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(source)
    os.remove(kept(path))


def main():
    known = read()
    if sys.argv[1] == "list":
        for number, m in enumerate(known):
            print(number, m.where, m.test, m.text(), sep="\t")
        return
    if sys.argv[1] == "check":
        for m in known:
            place(m, os.path.join(sys.argv[2], m.path))
        return
    m = known[int(sys.argv[2])]
    path = os.path.join(sys.argv[3], m.path)
    if sys.argv[1] == "put":
        put(m, path)
    else:
        back(path)


main()
