#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Looks at the terminal view of watch on the fake kernel of fake-vfio, through a terminal
emulator: address spaces that come and go while it runs, totals, devices, and its end by a
key.

Usage: watch.py FAKE-VFIO FOLDER
"""
import re
import signal
import sys
import time

import pexpect
import pyte

PROGRAM, FOLDER = sys.argv[1:]
LIMIT = 60
LINES, COLUMNS = 24, 100
# a shell that starts this in the background ignores it
signal.signal(signal.SIGINT, signal.SIG_DFL)


def watch(terminal, kernel="", files="20<fake-container"):
    # bash has the files of the fake kernel, and becomes the program
    command = f'exec {files}; exec "$0" watch --duration 300ms --pid $$'
    return pexpect.spawn("bash", ["-c", command, PROGRAM], cwd=FOLDER, encoding="utf-8",
                         timeout=LIMIT, dimensions=(LINES, COLUMNS),
                         env={"TERM": terminal, "FAKE_KERNEL": kernel})


def wait_for(view, screen, wanted):
    """Until the lines of the screen are as wanted, a regular expression for each"""
    stream, end = pyte.Stream(screen), time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            stream.feed(view.read_nonblocking(4096, 0.1))
        except pexpect.TIMEOUT:
            pass
        shown = [line.rstrip() for line in screen.display if line.strip()]
        if len(shown) == len(wanted) and all(map(re.fullmatch, wanted, shown)):
            return
    sys.exit("the screen has\n" + "\n".join(shown) + "\nand not\n" + "\n".join(wanted))


HEAD = [r"iommu-dirty watch, \d\d:\d\d:\d\d, every 0\.3s, pages of 4K\. q: quit",
        r" +ioas +MiB +MiB/s +part of the total"]
DEVICE = " {11}0000:00:04.0"
picture = pyte.Screen(COLUMNS, LINES)
p = watch("vt100", "plugs")
wait_for(p, picture, HEAD + [r" +5 +3\.0 +\d+\.\d  #{24}", DEVICE, r" +total +3\.0 +\d+\.\d"])
wait_for(p, picture, HEAD + [r" +5 +3\.0 +\d+\.\d  #{11,13}", DEVICE,
                             r" +7 +3\.0 +\d+\.\d  #{11,13}", r" +total +6\.0 +\d+\.\d"])
p.send("xq")
p.expect(pexpect.EOF)
p.close()
if (p.exitstatus, p.signalstatus) != (0, None):
    sys.exit(f"q: exit status {p.exitstatus}, signal {p.signalstatus}")

# under nohup(1), it ends with its terminal all the same
signal.signal(signal.SIGHUP, signal.SIG_IGN)
p = watch("vt100")
wait_for(p, pyte.Screen(COLUMNS, LINES), HEAD + [r" +5 .*", DEVICE, r" +total .*"])
p.ptyproc.fileobj.close()
end = time.monotonic() + LIMIT
while p.isalive():
    if time.monotonic() > end:
        sys.exit("it does not end with its terminal")
    time.sleep(0.1)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# a terminal of an unknown type gets lines, until interrupted, which a shell that starts this
# in the background would prevent
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = watch("nonsense")
p.expect(r"time +ioas +devices")
p.expect(r"\d\d:\d\d:\d\d +5 +1 +768 +3\.0 +\d")
p.sendintr()
p.expect(pexpect.EOF)

# an address space that goes away takes nothing of the others along
p = watch("nonsense", "leaves", "20<fake-iommu")
TIME = r"\d\d:\d\d:\d\d +"
GONE = "the address space is gone"
FIRST = TIME + r"5 +0 +256 +1\.0 +\d+\.\d\r\n" + TIME + r"6 +0 not tracked: .*?\r\n"
TOTAL = TIME + r"total +0 +256 +1\.0 +\d"
p.expect("IOAS 7: " + GONE)
p.expect("^\r\n" + FIRST + TIME + f"7 +0 not tracked: {GONE}\r\n" + TOTAL)
p.expect(FIRST + TOTAL)
p.sendintr()
p.expect(pexpect.EOF)
