#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""End a virtual machine that gets no further, and tell in which state it was.

Usage: silence.py QMP-SOCKET CONSOLE-LOG SECONDS OUTPUT

Run by run.sh --silence beside QEMU; ends with the machine. It gets no further when
the log has not grown for that long, when the emulator has lost the timer of a CPU, or
when RCU complains of a stall. Then what QEMU knows of the CPUs and of their interrupts
is written to the output, the guest's memory to the output's name with .core appended,
and each CPU gets an NMI: with unknown_nmi_panic on its command line the guest's kernel
tells where it was, and panics. The first line of the output is one of

    verdict: lost timer of CPU N: WHY     at byte B of the log
    verdict: stalled                      at byte B of the log
    verdict: silent                       at byte B of the log

A timer is lost when a halted CPU that takes interrupts waits for one that it will
never get: the local APIC's timer is not masked, was armed, has run out, and is neither
pending nor in service; or it is pending, and nobody wakes the CPU up. A kernel that
waits for nothing has its timer masked or disarmed. All of that three times in a row,
and with no interrupt taken in between.
"""

import json
import os
import re
import socket
import sys
import time

QUESTIONS = ("info cpus", "info registers -a", "info lapic 0", "info lapic 1",
             "info pic", "info irq")
EVERY = 10      # seconds between two looks at the timers
TIMES = 3       # as often it must look lost, two seconds apart
STALL = b"rcu: INFO: "


class Machine:
    """A connection to QEMU's monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # when QEMU does not come to that, run.sh ends this program
        while self.socket.connect_ex(path):
            time.sleep(0.2)
        self.lines = self.socket.makefile("r", errors="replace")
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        """Give a command; the answer, or None when the machine has ended."""
        text = json.dumps({"execute": command, "arguments": arguments})
        try:
            self.socket.sendall(text.encode())
            for line in self.lines:
                answer = json.loads(line)
                if "event" not in answer and "QMP" not in answer:
                    return answer.get("return", answer)
        except (OSError, ValueError):   # it ended, maybe in the middle of a line
            pass
        return None

    def ask(self, question):
        """What the human monitor says."""
        return str(self.execute("human-monitor-command", **{"command-line": question}))


def vectors(lapic, register):
    """The interrupt vectors that are set in IRR or ISR."""
    line = re.search(rf"^{register}\s+(.*)$", lapic, re.M)
    return set(map(int, re.findall(r"\d+", line[1]))) if line else set()


def why_lost(registers, lapic):
    """Why this CPU's timer interrupt will never come, or None."""
    flags = re.search(r"[ER]FL=([0-9a-f]+).* II=(\d).* HLT=(\d)", registers)
    timer = re.search(r"^LVTT\s+0x([0-9a-f]+)", lapic, re.M)
    count = re.search(r"initial_count = (\d+) current_count = (\d+)", lapic)
    if not flags or not timer or not count:
        return None
    takes = int(flags[1], 16) & 0x200 and flags[2] == "0"
    lvt = int(timer[1], 16)
    if flags[3] != "1" or not takes or lvt & 0x10000:
        return None
    vector, one_shot = lvt & 0xff, not lvt & 0x60000
    if vector in vectors(lapic, "ISR"):
        return None
    if vector in vectors(lapic, "IRR"):
        # A CPU that gets little of the host's time is late, and takes others meanwhile.
        # At boot so many may come at once that no event tells of the last one taken
        taken = re.findall(r"^event (\d+) cpu \S+ I ", lapic, re.M)
        if not taken:
            return None
        return (f"vector {vector} is pending, with {count[1]} armed, and the CPU has "
                f"not been woken up since {taken[-1]}")
    if one_shot and int(count[1]) and not int(count[2]):
        return f"armed with {count[1]}, run out, and vector {vector} is not pending"
    return None


def lost_timers(machine):
    """{CPU: why} of what looks lost now; empty where QEMU has no local APICs."""
    registers = re.split(r"^CPU#\d+", machine.ask("info registers -a"), flags=re.M)[1:]
    lost = {}
    for cpu, text in enumerate(registers):
        why = why_lost(text, machine.ask(f"info lapic {cpu}"))
        if why:
            lost[cpu] = why
    return lost


def lost_for_good(machine):
    """The same, of what looks so each time."""
    lost = lost_timers(machine)
    for _ in range(TIMES - 1):
        if not lost:
            break
        time.sleep(2)
        now = lost_timers(machine)
        lost = {cpu: why for cpu, why in lost.items() if now.get(cpu) == why}
    return lost


def end(machine, verdict, log, output):
    """Three times what QEMU knows: what changes, what does not. Then the NMI."""
    with open(output, "w", encoding="utf-8") as out:
        out.write(f"{verdict} at byte {os.path.getsize(log)} of the log\n")
        for _ in range(3):
            for question in QUESTIONS:
                out.write(f"(qemu) {question}\n{machine.ask(question)}\n")
            time.sleep(1)
    # crash(8) reads it, and pages that are all zero are left out
    machine.execute("dump-guest-memory", paging=False, format="kdump-zlib",
                    protocol=f"file:{os.path.abspath(output)}.core")
    machine.execute("inject-nmi")


def stalled(log, begin):
    """Whether RCU has complained from there on, with some bytes before."""
    with open(log, "rb") as lines:
        lines.seek(max(0, begin - len(STALL)))
        return STALL in lines.read()


def main():
    qmp, log, seconds, output = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    machine = Machine(qmp)
    size, since, looked = 0, time.monotonic(), time.monotonic()
    while machine.execute("query-status") is not None:
        if os.path.getsize(log) != size:
            if stalled(log, size):
                end(machine, "verdict: stalled", log, output)
                return
            size, since = os.path.getsize(log), time.monotonic()
        if time.monotonic() - looked > EVERY:
            looked = time.monotonic()
            for cpu, why in lost_for_good(machine).items():
                end(machine, f"verdict: lost timer of CPU {cpu}: {why}", log, output)
                return
        if time.monotonic() - since > seconds:
            end(machine, "verdict: silent", log, output)
            return
        time.sleep(2)


if __name__ == "__main__":
    main()
