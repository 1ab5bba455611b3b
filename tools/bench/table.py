#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn the console output of the benchmark into a table or JSON.

Each figure is the median time per entry in nanoseconds. The minimum and maximum of
the passes follow in brackets, then two ratios of medians: "s" is the time relative
to a sequential read of the same entries, "r" is the speedup over the base kernel's
io-pgtable-arm. "!" marks a ratio that misses its target."""

import argparse
import json
import os
import sys

# For read and clear: dirty per mille -> maximum ratio to the sequential read,
# minimum speedup over io-pgtable-arm
TARGETS = {0: (1.1, 2), 1: (1.1, 2), 10: (1.1, 2), 1000: (2, 5)}
JUDGED = "clear"


def read(path):
    rows = []
    with open(path, errors="replace") as log:
        for line in log:
            _, found, text = line.partition("bench: {")
            if found:
                rows.append(json.loads("{" + text))
    return rows


def judge(rows):
    """Add ratios and verdicts to the rows."""
    median = {
        (r["layout"], r["format"], r["dirty_per_mille"], r["what"]):
            max(r["ps_median"], 1)
        for r in rows
    }
    for row in rows:
        key = (row["layout"], row["format"], row["dirty_per_mille"])
        row["to_sequential"] = row["ps_median"] / median[*key, "sequential"]
        rival = median.get((*key, "io-pgtable-arm"))
        if rival:
            row["times_faster"] = rival / max(row["ps_median"], 1)
        target = TARGETS.get(row["dirty_per_mille"])
        if row["what"] == JUDGED and target:
            row["met"] = {"to_sequential": row["to_sequential"] <= target[0]}
            if rival:
                row["met"]["times_faster"] = row["times_faster"] >= target[1]


def cell(row):
    met = row.get("met", {})
    text = "{:.2f} [{:.2f}-{:.2f}]".format(
        *(row[k] / 1000 for k in ("ps_median", "ps_min", "ps_max")))
    for key, sign in (("to_sequential", "s"), ("times_faster", "r")):
        if key in row and row["what"] not in ("sequential", "io-pgtable-arm"):
            text += f" {sign}{row[key]:.2f}{'' if met.get(key, True) else '!'}"
    return text


def table(rows):
    for layout in dict.fromkeys(r["layout"] for r in rows):
        mine = [r for r in rows if r["layout"] == layout]
        shares = sorted({r["dirty_per_mille"] for r in mine})
        print(f"{layout + ', ns per entry':24}" +
              "".join(f"{f'{s / 10:g} % dirty':<34}" for s in shares))
        for key in dict.fromkeys((r["format"], r["what"]) for r in mine):
            cells = {r["dirty_per_mille"]: cell(r) for r in mine
                     if (r["format"], r["what"]) == key}
            print(f"{' '.join(key):24}" +
                  "".join(f"{cells.get(s, ''):34}" for s in shares).rstrip())
        verdicts = [met for r in mine for met in r.get("met", {}).values()]
        print(f"{layout}: {sum(verdicts)} of {len(verdicts)} targets met\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("log")
    args = parser.parse_args()
    rows = read(args.log)
    if not rows:
        sys.exit(f"no results in {args.log}")
    judge(rows)
    if args.json:
        json.dump({"cpus": os.cpu_count(), "results": rows}, sys.stdout, indent=1)
        print()
    else:
        table(rows)


if __name__ == "__main__":
    main()
