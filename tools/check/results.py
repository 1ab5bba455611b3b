#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Count the tests in a console log.

Usage: results.py [--name RUN] [--suite NAME]... [--against FILE] [--save FILE] LOG

LOG is the output of KUnit (KTAP from the kernel; each --suite must be in it), of
guest-run (TAP of several programs, each followed by the kernel log), or, with --suite,
of both. Prints every failed test. The last line has the numbers of passed, failed and
skipped tests.

A planned test without a result counts as failed: the program or the kernel died. A
report in the kernel log fails a test named "dmesg after ...", unless the file
dmesg-waivers in this folder names it.

With --name, a skipped test counts as failed, unless the file expected-skips in this
folder lists it for that run.

--save writes the names of the passed tests to FILE. With --against, which reads such a
file, only a test that passed there and does not pass here counts as failed. All other
failed tests count as skipped.
"""

import argparse
import fnmatch
import os
import re

REPORT = re.compile(
    r"WARNING: |BUG: |BUG at |KASAN: |UBSAN: |INFO: task |INFO: rcu|"
    r"INFO: trying to register|Oops|general protection fault|double fault|"
    r"refcount_t: |Kernel panic|unreferenced object|possible circular locking|"
    r"possible recursive locking|inconsistent lock state|suspicious RCU usage|"
    r"held lock freed|lock held when returning|bad unlock balance|"
    r"unsafe .* lock order|Invalid wait context|nested lock was not taken|"
    r"corruption|ODEBUG: |soft lockup|hard LOCKUP|self-detected stall|"
    r"nobody cared|duplicate filename|cut here")
RESULT = re.compile(r"^( *)(ok|not ok) (\d+)(?: -)? ?([^#]*)(#.*)?$")
PLAN = re.compile(r"^( *)1\.\.(\d+)")
SUBTEST = re.compile(r"^( *)# Subtest: (.*)")
STAMP = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\] ?")
CONSOLE = re.compile(r"\[ *\d+\.\d{6}\] .*")     # other output may precede it on the line
RUN = re.compile(r"@@run (\S+)$")
RC = re.compile(r"@@rc (\S+) (\d+)$")


class Results:
    def __init__(self):
        self.tests = []                 # (name, "ok" | "not ok" | "skip")

    def add(self, name, state):
        self.tests.append((name, state))

    def names(self, state):
        return [name for name, s in self.tests if s == state]


def parse_tap(results, prefix, lines):
    """Parse (K)TAP. A test with subtests counts only if it failed and they did not"""
    done = {}       # depth: number of results so far
    failed = {}     # depth: whether one of them failed
    plan = {}       # depth: planned number
    subtest = {}    # depth: name of the test that its tests belong to
    top = {}        # state of each top-level test

    def full_name(depth, name):
        parts = [subtest[d] for d in sorted(subtest) if d <= depth]
        return ": ".join([prefix] + parts + [name])

    def close(depth):
        for d in sorted(set(done) | set(plan), reverse=True):
            if d < depth:
                continue
            if done.get(d, 0) > plan.get(d, done.get(d, 0)):
                results.add(full_name(d, f"{done[d]} results, {plan[d]} planned"), "not ok")
                failed[d] = True
            for i in range(done.get(d, 0), plan.get(d, 0)):
                results.add(full_name(d, f"test {i + 1} of {plan[d]} did not run"),
                            "not ok")
                failed[d] = True
            for state in done, plan, subtest:
                state.pop(d, None)

    for line in lines:
        if m := PLAN.match(line):
            depth = len(m[1]) // 4
            plan[depth] = int(m[2])
            if re.search(r"# *SKIP", line, re.I):
                results.add(f"{prefix}: all of it", "skip")
            elif not plan[depth]:
                results.add(full_name(depth, "no test is planned"), "not ok")
        elif m := SUBTEST.match(line):
            subtest[len(m[1]) // 4] = m[2]
        elif "Bail out!" in line:
            results.add(f"{prefix}: {line.strip()}", "not ok")
        elif m := RESULT.match(line):
            depth, name = len(m[1]) // 4, m[4].strip()
            state = m[2]
            if re.match(r"# *(SKIP|XFAIL)", m[5] or "", re.I):
                state = "skip"
            nested = any(d > depth for d in set(done) | set(plan))
            inner = any(v for d, v in failed.items() if d > depth)
            close(depth + 1)
            if not nested or (state == "not ok" and not inner):
                results.add(full_name(depth, name), state)
            for d in [d for d in failed if d > depth]:
                failed[depth] = failed.pop(d) or failed.get(depth, False)
            failed[depth] = failed.get(depth, False) or state == "not ok"
            done[depth] = done.get(depth, 0) + 1
            if int(m[3]) != done[depth]:
                results.add(full_name(depth, f"result {m[3]} is number {done[depth]}"), "not ok")
                failed[depth] = True
                done[depth] = int(m[3])
            if depth == 0:
                top[name] = state
        elif re.match(r" *not ok\b", line):
            results.add(f"{prefix}: {line.strip()}", "not ok")
    if 0 not in plan:
        results.add(f"{prefix}: no test plan", "not ok")
    close(0)
    return top


def read_list(name):
    """Return the lines of a file in this folder, without comments"""
    with open(os.path.join(os.path.dirname(__file__), name)) as f:
        lines = [line.strip() for line in f]
    return [line for line in lines if line and not line.startswith("#")]


def refuse_skips(results, run):
    """Turn a skip that expected-skips does not list for this run into a failure"""
    expected = [line.split(None, 1) for line in read_list("expected-skips")]
    for i, (name, state) in enumerate(results.tests):
        if state == "skip" and not any(fnmatch.fnmatchcase(run, runs) and
                                       fnmatch.fnmatchcase(name, tests)
                                       for runs, tests in expected):
            results.tests[i] = (f"{name} # it was skipped", "not ok")


def check_dmesg(results, name, lines, waivers):
    """Fail if the kernel log has a report that no waiver names"""
    bad = []
    for i, line in enumerate(lines):
        if not REPORT.search(line):
            continue
        # A report has many lines. The texts of a waiver can be in any of them
        near = "\n".join(lines[max(0, i - 5):i + 40])
        if not any(all(part.strip() in near for part in w.split("&&"))
                   for w in waivers):
            bad.append(line.strip())
    results.add(f"dmesg after {name}", "not ok" if bad else "ok")
    for line in bad[:5]:
        print(f"    {line}")


def parse_kunit(results, lines, suites, waivers):
    lines = [STAMP.sub("", line) for line in lines]
    start = next((i for i, line in enumerate(lines)
                  if line.startswith("KTAP version 1")), len(lines))
    # Other kernel messages do not look like results
    top = parse_tap(results, "kunit", lines[start:])
    for suite in suites:
        if suite not in top:
            results.add(f"kunit: suite {suite} did not run", "not ok")
    check_dmesg(results, "kunit", lines, waivers)


def parse_guest(results, lines, waivers):
    """Parse guest-run: @@run NAME, the TAP, the kernel log, @@rc NAME CODE"""
    name, tap, dmesg, ended, outside, tainted = None, [], [], False, [], None

    def died():
        parse_tap(results, name, tap)
        results.add(f"{name}: did not end", "not ok")
        check_dmesg(results, name, dmesg, waivers)

    for line in lines:
        if m := RUN.match(line):
            if name:
                died()
            name, tap, dmesg, ended = m[1], [], [], False
        elif line.startswith("@@k "):
            dmesg.append(line[4:])
        elif (m := RC.match(line)) and m[1] == name:
            code, before = int(m[2]), len(results.names("not ok"))
            skipped = len(results.names("skip"))
            if name != "boot":
                parse_tap(results, name, tap)
            told = len(results.names("not ok")) > before or \
                (code == 4 and len(results.names("skip")) > skipped)
            # a crashed program does not report its crash
            if code >= 128 or (code and not told):
                results.add(f"{name}: exit code {code}", "not ok")
            check_dmesg(results, name, dmesg, waivers)
            name = None
        elif line.startswith("@@tainted"):
            if tainted not in (None, line):
                results.add(f"{name}: the kernel's flags: {tainted[2:]}, now {line[2:]}", "not ok")
            tainted = line
        elif line.startswith("@@lockdep"):
            results.add("lockdep is still on at the end",
                        "ok" if line.split()[1:] == ["1"] else "not ok")
        elif line.startswith("@@end"):
            ended = True
        elif name:
            tap.append(line)
            if m := CONSOLE.search(line):
                dmesg.append(m[0])
        else:
            outside.append(line)
    if name:
        died()
    if any(REPORT.search(line) for line in outside):
        check_dmesg(results, "the programs", outside, waivers)
    if not ended:
        results.add("the guest died", "not ok")
        for line in lines[-30:]:
            print(f"    {line}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--against")
    parser.add_argument("--save")
    parser.add_argument("log")
    args = parser.parse_args()

    with open(args.log, encoding="utf-8", errors="replace", newline="\n") as f:
        lines = f.read().replace("\r", "").split("\n")
    results, waivers = Results(), read_list("dmesg-waivers")
    guest = next((i for i, line in enumerate(lines) if RUN.match(line)), None)
    if guest is None or args.suite:
        parse_kunit(results, lines[:guest], args.suite, waivers)
    if guest is not None:
        parse_guest(results, lines[guest:], waivers)

    failed = results.names("not ok")
    if args.save:
        with open(args.save, "w") as f:
            f.writelines(name + "\n" for name in results.names("ok"))
    if args.against:
        with open(args.against) as f:
            before = f.read().splitlines()
        passed = set(results.names("ok"))
        lost = [name for name in before if name not in passed]
        others = [name for name in failed if name not in lost]
        results.tests = [(name, "skip" if name in others else state)
                         for name, state in results.tests]
        for name in lost:
            if name not in failed:
                results.add(f"{name} # it is missing", "not ok")
    if args.name:
        refuse_skips(results, args.name)
    failed = results.names("not ok")
    for name in failed:
        print(f"not ok - {name}")
    print(len(results.names("ok")), len(failed), len(results.names("skip")))


if __name__ == "__main__":
    main()
