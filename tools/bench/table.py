#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn the console output of the benchmark into a table or JSON.

Each figure is the median time per entry in nanoseconds. The minimum and maximum of
the passes follow in brackets, then ratios of medians: "s" is the time relative to a
sequential read of the same entries, "r" the speedup over the base kernel's
io-pgtable-arm, "g" that over its generic_pt, if it has a walker of the format. "!" marks
a ratio or a time that misses its target."""

import argparse
import json
import os
import sys

# Each ratio: its sign in the table, and "what" of the rival
RATIOS = {
    "to_sequential": ("s", "sequential"),
    "times_faster": ("r", "io-pgtable-arm"),
    "times_faster_generic_pt": ("g", "generic_pt"),
}
# For read and clear: dirty per mille -> maximum ratio to the sequential read,
# minimum speedup over io-pgtable-arm, and over generic_pt
TARGETS = {0: (1.1, 2, 5), 1: (1.1, 2, 5), 10: (1.1, 2, 5), 1000: (2, 5, 7)}
JUDGED = "clear"
# Maximum time per entry in picoseconds: 1 ms for 1 GiB in entries of 2 MiB
LIMITS = {"split": 10**9 // 512, "merge": 10**9 // 512}


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
        mine = median[*key, row["what"]]
        row["met"] = {}
        if row["what"] in LIMITS:
            row["met"]["limit"] = row["ps_median"] <= LIMITS[row["what"]]
        for i, (name, (_, what)) in enumerate(RATIOS.items()):
            rival = median.get((*key, what))
            if not rival:
                continue
            upper = name == "to_sequential"
            row[name] = mine / rival if upper else rival / mine
            target = TARGETS.get(row["dirty_per_mille"])
            if row["what"] == JUDGED and target:
                row["met"][name] = (row[name] <= target[i] if upper else
                                    row[name] >= target[i])


def cell(row):
    text = "{:.2f} [{:.2f}-{:.2f}]".format(
        *(row[k] / 1000 for k in ("ps_median", "ps_min", "ps_max")))
    if row["what"] in (what for _, what in RATIOS.values()):
        return text
    if not row["met"].get("limit", True):
        text += " !"
    for name, (sign, _) in RATIOS.items():
        if name in row:
            text += f" {sign}{row[name]:.2f}{'' if row['met'].get(name, True) else '!'}"
    return text


def table(rows):
    for layout in dict.fromkeys(r["layout"] for r in rows):
        mine = [r for r in rows if r["layout"] == layout]
        shares = sorted({r["dirty_per_mille"] for r in mine})
        print(f"{layout + ', ns per entry':24}" +
              "".join(f"{f'{s / 10:g} % dirty':<40}" for s in shares))
        for key in dict.fromkeys((r["format"], r["what"]) for r in mine):
            cells = {r["dirty_per_mille"]: cell(r) for r in mine
                     if (r["format"], r["what"]) == key}
            print(f"{' '.join(key):24}" +
                  "".join(f"{cells.get(s, ''):40}" for s in shares).rstrip())
        verdicts = [met for r in mine for met in r["met"].values()]
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
