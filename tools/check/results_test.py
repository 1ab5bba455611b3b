#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests what results.py counts as a failure. Run by check.sh's static stage."""

import os
import subprocess
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results.py")
BOOT = "@@run boot\n@@rc boot 0\n"
GOOD = "1..2\nok 1 p.a\nok 2 p.b\n"


def run(log, *args):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(log)
        f.flush()
        return subprocess.run([PROGRAM, *args, f.name], capture_output=True, text=True,
                              check=False)


def guest(tap=GOOD, rc="@@rc p 0\n", end="@@lockdep 1\n@@end\n"):
    return BOOT + "@@run p\nTAP version 13\n" + tap + rc + end


class Count(unittest.TestCase):
    def failures(self, log, *args):
        """Return the failed tests, without "not ok - "; the sums must agree"""
        out = run(log, *args).stdout.splitlines()
        failed = [line[9:] for line in out if line.startswith("not ok - ")]
        self.assertEqual(int(out[-1].split()[1]), len(failed))
        return failed

    def sums(self, log, *args):
        return run(log, *args).stdout.splitlines()[-1]

    def test_good(self):
        # two of the program, dmesg after boot and after p, lockdep
        self.assertEqual(self.sums(guest()), "5 0 0")

    def test_failed(self):
        log = guest("1..2\nok 1 p.a\nnot ok 2 p.b\n", "@@rc p 1\n")
        self.assertEqual(self.failures(log), ["p: p.b"])

    def test_nested(self):
        log = ("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n"
               "    ok 1 a\n    not ok 2 b\nnot ok 1 s\n")
        self.assertEqual(self.failures(log), ["kunit: s: b"])
        # only the suite failed: the fault is outside its cases
        self.assertEqual(self.failures(log.replace("    not ok", "    ok")), ["kunit: s"])
        self.assertEqual(self.failures(log, "--suite", "t"),
                         ["kunit: s: b", "kunit: suite t did not run"])

    def test_skipped(self):
        log = guest("1..1\nok 1 p.a # SKIP no device\n", "@@rc p 4\n")
        self.assertEqual(self.sums(log), "3 0 1")
        self.assertEqual(self.failures(log, "--name", "none"), ["p: p.a # it was skipped"])
        # 4 needs a skipped test
        self.assertEqual(self.failures(guest(rc="@@rc p 4\n")), ["p: exit code 4"])
        self.assertEqual(self.failures(guest("1..0 # SKIP no device\n", "@@rc p 4\n")), [])

    def test_plan(self):
        self.assertEqual(self.failures(guest("1..0\n")), ["p: no test is planned"])
        self.assertEqual(self.failures(guest("ok 1 p.a\n")), ["p: no test plan"])
        self.assertEqual(self.failures(guest("1..3\nok 1 p.a\nok 2 p.b\n")),
                         ["p: test 3 of 3 did not run"])
        self.assertEqual(self.failures(guest("1..1\nok 1 p.a\nok 2 p.b\n")),
                         ["p: 2 results, 1 planned"])

    def test_numbers(self):
        self.assertEqual(self.failures(guest("1..3\nok 1 p.a\nok 3 p.c\n")),
                         ["p: result 3 is number 2"])
        self.assertEqual(self.failures(guest("1..2\nok 1 p.a\nok 1 p.a\nok 2 p.b\n")),
                         ["p: result 1 is number 2"])
        self.assertIn("p: not ok - b failed", self.failures(guest(GOOD + "not ok - b failed\n")))

    def test_exit_code(self):
        self.assertEqual(self.failures(guest(rc="@@rc p 1\n")), ["p: exit code 1"])
        self.assertEqual(self.failures(guest("1..1\nnot ok 1 p.a\n", "@@rc p 139\n")),
                         ["p: p.a", "p: exit code 139"])

    def test_died(self):
        self.assertEqual(self.failures(guest(rc="", end="")),
                         ["p: did not end", "the guest died"])
        self.assertEqual(self.failures(guest(rc="@@rc p", end="")),
                         ["p: did not end", "the guest died"])
        self.assertEqual(self.failures(guest(rc="@@rc p\n", end="@@run q\n1..1\nok 1 q.a\n"
                                             "@@rc q 0\n@@end\n")), ["p: did not end"])
        self.assertEqual(self.failures(guest(end="")), ["the guest died"])

    def test_reports(self):
        for report in ("BUG: KASAN: use-after-free in f", "WARNING: CPU: 0 PID: 1 at f",
                       "irq 11: nobody cared", "sysfs: cannot create duplicate filename",
                       "------------[ cut here ]------------"):
            line = f"[   12.200000] {report}\n"
            after = ["dmesg after p"]
            self.assertEqual(self.failures(guest(rc=f"@@k {line}@@rc p 0\n")), after)
            self.assertEqual(self.failures(guest("1..2\nok 1 p.a\n" + line + "ok 2 p.b\n")), after)
            self.assertEqual(self.failures(guest(GOOD + "# half a line" + line)), after)
            self.assertEqual(self.failures(guest(end="@@lockdep 1\n@@end\n" + line)),
                             ["dmesg after the programs"])
        self.assertEqual(self.failures(guest("# it says BUG: itself\n" + GOOD)), [])

    def test_lockdep(self):
        for end in ("@@lockdep 0\n@@end\n", "@@lockdep\n@@end\n"):
            self.assertEqual(self.failures(guest(end=end)), ["lockdep is still on at the end"])

    def test_tainted(self):
        log = guest(rc="@@tainted 512\n@@rc p 0\n")
        self.assertEqual(self.failures(log.replace("@@rc boot", "@@tainted 512\n@@rc boot")), [])
        self.assertEqual(self.failures(log.replace("@@rc boot", "@@tainted 0\n@@rc boot")),
                         ["p: the kernel's flags: tainted 0, now tainted 512"])

    def test_against(self):
        with tempfile.NamedTemporaryFile("w") as before:
            before.write("p: p.a\np: p.b\n")
            before.flush()
            args = ("--against", before.name)
            self.assertEqual(self.failures(guest(), *args), [])
            # failed before, too
            log = guest("1..3\nok 1 p.a\nok 2 p.b\nnot ok 3 p.c\n", "@@rc p 1\n")
            self.assertEqual(self.failures(log, *args), [])
            log = guest("1..2\nok 1 p.a\nnot ok 2 p.b\n", "@@rc p 1\n")
            self.assertEqual(self.failures(log, *args), ["p: p.b"])
            self.assertEqual(self.failures(guest("1..1\nok 1 p.a\n"), *args),
                             ["p: p.b # it is missing"])

    def test_save(self):
        with tempfile.NamedTemporaryFile("r") as saved:
            run(guest("1..2\nok 1 p.a\nnot ok 2 p.b\n", "@@rc p 1\n"), "--save", saved.name)
            self.assertIn("p: p.a\n", saved.read())


if __name__ == "__main__":
    unittest.main()
