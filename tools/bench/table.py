#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make a table, or JSON, of the benchmark's console output.

Each figure is nanoseconds for one entry, the median of the passes; in brackets
the smallest and the largest, and the ratio to the sequential read of the same
tables."""

import argparse
import json
import os
import sys


def read(path):
    rows = []
    with open(path, errors="replace") as log:
        for line in log:
            _, found, text = line.partition("bench: ")
            if found:
                rows.append(json.loads(text))
    return rows


def cell(row, base):
    median, low, high = (row[k] / 1000 for k in ("ps_median", "ps_min", "ps_max"))
    return f"{median:.2f} [{low:.2f}-{high:.2f}] x{row['ps_median'] / base:.2f}"


def table(rows):
    shares = sorted({r["dirty_per_mille"] for r in rows})
    base = {r["format"]: r["ps_median"] for r in rows if r["what"] == "sequential"}
    print(f"{'ns per entry':24}" + "".join(f"{s / 10:>24g} %" for s in shares))
    seen = []
    for row in rows:
        key = (row["format"], row["what"])
        if key in seen:
            continue
        seen.append(key)
        cells = {
            r["dirty_per_mille"]: cell(r, base[key[0]])
            for r in rows
            if (r["format"], r["what"]) == key
        }
        print(f"{key[0]} {key[1]}".ljust(24) +
              "".join(f"{cells.get(s, ''):>26}" for s in shares))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("log")
    args = parser.parse_args()
    rows = read(args.log)
    if not rows:
        sys.exit(f"no results in {args.log}")
    if args.json:
        json.dump({"cpus": os.cpu_count(), "results": rows}, sys.stdout, indent=1)
        print()
    else:
        table(rows)


if __name__ == "__main__":
    main()
