#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What silence.py takes for a lost timer, and what not. Run by check.sh's static stage."""

import unittest

from silence import why_lost

# As QEMU 10.0 prints them
REGISTERS = "RFL={flags:08x} [---Z-P-] CPL=0 II={inhibited} A20=1 SMM=0 HLT={halted}\r\n"
LAPIC = ("LVTTHMR\t 0x00010000 active-hi edge  masked                      Fixed  (vec 0)\r\n"
         "LVTT\t 0x{lvt:08x} active-hi edge                 one-shot     Fixed  (vec 236)\r\n"
         "Timer\t DCR=0x3 (divide by 16) initial_count = {initial} current_count = {current}\r\n"
         "ISR\t {isr}\r\nIRR\t {irr}\r\n"
         "event 17383977470 cpu -1 S 0xec 0x0\r\n{events}")
# A CPU that halted with interrupts on, and waits for a timer that has run out
LOST = {"flags": 0x246, "inhibited": 0, "halted": 1, "lvt": 0xec,
        "initial": 57221921, "current": 0, "isr": "(none)", "irr": "(none)",
        "events": "event 17383988236 cpu 0 I 0xec 0x0\r\n"}


def why(**changes):
    state = {**LOST, **changes}
    return why_lost(REGISTERS.format(**state), LAPIC.format(**state))


class WhyLost(unittest.TestCase):
    def test_lost(self):
        self.assertIn("run out", why())
        self.assertIn("not been woken", why(irr="236"))
        self.assertIn("not been woken", why(irr="236", current=5))
        self.assertIn("not been woken", why(irr="34 236", lvt=0x200ec))

    def test_late(self):
        """Two looks tell of the same only if no interrupt was taken between them."""
        before, then = why(irr="236"), LOST["events"]
        self.assertIn("17383988236", before)
        self.assertEqual(before, why(irr="236", events=then + then.replace("I", "E")))
        self.assertNotEqual(before, why(irr="236", events=then.replace("236 ", "900 ")))
        self.assertIsNone(why(irr="236", events=""))

    def test_waits(self):
        for changes in ({"current": 48421806}, {"initial": 0}, {"lvt": 0x100ec},
                        {"lvt": 0x200ec}, {"isr": "236", "irr": "236"}, {"isr": "236"}):
            self.assertIsNone(why(**changes), changes)

    def test_other_reasons(self):
        for changes in ({"halted": 0}, {"flags": 0x46}, {"inhibited": 1}):
            self.assertIsNone(why(**changes), changes)

    def test_no_local_apic(self):
        self.assertIsNone(why_lost("PSTATE=600000c5 -ZC- EL1h", "unknown command"))


unittest.main()
