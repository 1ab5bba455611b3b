#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""End a virtual machine that says nothing any more, and tell in which state it was.

Usage: silence.py QMP-SOCKET CONSOLE-LOG SECONDS OUTPUT

When the log has not grown for that long, what QEMU knows of the CPUs and of their
interrupts is written to the output, and each CPU gets an NMI. With
unknown_nmi_panic on its command line the guest's kernel tells where it was, and
panics. Ends with the machine.
"""

import json
import os
import socket
import sys
import time

QUESTIONS = ("info cpus", "info registers -a", "info lapic 0", "info lapic 1",
             "info pic", "info irq")


class Machine:
    """A connection to QEMU's monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", errors="replace")
        self.lines.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        """Give a command; the answer, or None when the machine has ended."""
        text = json.dumps({"execute": command, "arguments": arguments})
        try:
            self.socket.sendall(text.encode())
            for line in self.lines:
                answer = json.loads(line)
                if "event" not in answer:
                    return answer.get("return", answer)
        except OSError:
            pass
        return None


def main():
    qmp, log, seconds, output = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    while not os.path.exists(qmp):
        time.sleep(1)
    machine = Machine(qmp)
    size, since = -1, time.monotonic()
    while machine.execute("query-status") is not None:
        if os.path.getsize(log) != size:
            size, since = os.path.getsize(log), time.monotonic()
        elif time.monotonic() - since > seconds:
            # three times: what changes, what does not
            with open(output, "w", encoding="utf-8") as out:
                for _ in range(3):
                    for question in QUESTIONS:
                        answer = machine.execute("human-monitor-command",
                                                 **{"command-line": question})
                        out.write(f"(qemu) {question}\n{answer}\n")
                    time.sleep(1)
            machine.execute("inject-nmi")
            return
        time.sleep(2)


main()
