#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""End a virtual machine that hangs, and save its state.

Usage: silence.py QMP-SOCKET CONSOLE-LOG SECONDS OUTPUT

run.sh --silence runs it in parallel with QEMU; it ends with the machine. The machine
hangs if its log has not grown for SECONDS, or if RCU reports a stall. Then this program
writes QEMU's state of the CPUs and of their interrupts to OUTPUT and the guest's memory
to OUTPUT.core, and sends an NMI to each CPU. With unknown_nmi_panic on its command line,
the guest's kernel prints where it was, and panics.
"""

import json
import os
import socket
import sys
import time

QUESTIONS = ("info cpus", "info registers -a", "info lapic 0", "info lapic 1",
             "info pic", "info irq")
STALL = b"rcu: INFO: "


class Machine:
    """A connection to QEMU's monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # If QEMU never opens the socket, run.sh ends this program
        while self.socket.connect_ex(path):
            time.sleep(0.2)
        self.lines = self.socket.makefile("r", errors="replace")
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        """Run a command; return the answer, or None if the machine has ended."""
        text = json.dumps({"execute": command, "arguments": arguments})
        try:
            self.socket.sendall(text.encode())
            for line in self.lines:
                answer = json.loads(line)
                if "event" not in answer and "QMP" not in answer:
                    return answer.get("return", answer)
        except (OSError, ValueError):   # the machine ended, maybe in the middle of a line
            pass
        return None

    def ask(self, question):
        """Return the output of a command of the human monitor."""
        return str(self.execute("human-monitor-command", **{"command-line": question}))


def end(machine, why, output):
    """Save QEMU's state three times, to show what changes, then send the NMI."""
    with open(output, "w", encoding="utf-8") as out:
        out.write(f"{why}\n")
        for _ in range(3):
            for question in QUESTIONS:
                out.write(f"(qemu) {question}\n{machine.ask(question)}\n")
            time.sleep(1)
    # A format for crash(8) that leaves out pages of zeroes
    machine.execute("dump-guest-memory", paging=False, format="kdump-zlib",
                    protocol=f"file:{os.path.abspath(output)}.core")
    machine.execute("inject-nmi")


def stalled(log, begin):
    """Return whether RCU has reported a stall from begin on, or just across it."""
    with open(log, "rb") as lines:
        lines.seek(max(0, begin - len(STALL)))
        return STALL in lines.read()


def main():
    qmp, log, seconds, output = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    machine = Machine(qmp)
    size, since = os.path.getsize(log), time.monotonic()
    while machine.execute("query-status") is not None:
        before, size = size, os.path.getsize(log)
        if size != before:
            since = time.monotonic()
            if stalled(log, before):
                end(machine, "RCU reports a stall", output)
                return
        elif time.monotonic() - since > seconds:
            end(machine, f"the console was silent for {seconds:g} s", output)
            return
        time.sleep(2)


if __name__ == "__main__":
    main()
