#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print an apt source entry for another suite of the host's Debian archive.

Usage: apt-source.py deb|deb-src SUITE

The archive and its key come from the host's entry for the main component of its
release. The script reads both formats of apt's source files.
"""

import glob
import re
import shlex
import sys


def codename():
    with open("/etc/os-release") as f:
        return re.search(r"^VERSION_CODENAME=(\w+)", f.read(), re.M)[1]


def one_line(path):
    for line in open(path):
        m = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
        if m:
            opts = dict(o.split("=", 1) for o in shlex.split(m[1] or ""))
            yield {"uris": m[2], "suites": m[3],
                   "components": m[4].split("#")[0],
                   "signed-by": opts.get("signed-by")}


def deb822(path):
    text = re.sub(r"^#.*\n", "", open(path).read(), flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        entry, key = {}, None
        for line in stanza.splitlines():
            if key and line[:1].isspace():      # a key may be inline
                entry[key] += "\n" + line
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                entry[key] = value.strip()
        if ("deb" in entry.get("types", "").split()
                and entry.get("enabled", "yes").lower() != "no"):
            yield entry


def own_entry():
    parts = "/etc/apt/sources.list.d/"
    entries = []
    for path in glob.glob("/etc/apt/sources.list") + glob.glob(parts + "*.list"):
        entries += one_line(path)
    for path in glob.glob(parts + "*.sources"):
        entries += deb822(path)
    for entry in entries:
        if (codename() in entry.get("suites", "").split()
                and "main" in entry.get("components", "").split()):
            return entry
    sys.exit("apt-source.py: no apt source for this Debian release's main")


def main():
    kind, suite = sys.argv[1:]
    entry = own_entry()
    print(f"Types: {kind}\nURIs: {entry['uris']}\nSuites: {suite}\n"
          "Components: main")
    if entry.get("signed-by"):
        print(f"Signed-By: {entry['signed-by']}")


main()
