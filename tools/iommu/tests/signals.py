#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Ends each observing command of iommu-dirty in every way, on the fake kernel of
fake-vfio: no file of a tracker may stay open, and the exit status must be right.

Usage: signals.py FAKE-VFIO FOLDER
"""
import os
import select
import signal
import socket
import subprocess
import sys
import time

PROGRAM, FOLDER = sys.argv[1:]
LOG = os.path.join(FOLDER, "trackers.log")
FIFO = os.path.join(FOLDER, "trackers")
LIMIT = 60
COMMANDS = {
    "rate": ["rate", "--duration", "1000s"],
    "watch": ["watch", "--duration", "1000s"],
    "record": ["record", "--duration", "1000s", "--interval", "1000s", "-o", "/dev/null"],
    "advise": ["advise", "--interval", "1000s"],
}
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL,
           signal.SIGABRT, signal.SIGXFSZ, signal.SIGALRM)
bad = []
if os.path.exists(FIFO):
    os.unlink(FIFO)
os.mkfifo(FIFO)
fifo = os.open(FIFO, os.O_RDONLY | os.O_NONBLOCK)
# a shell that starts this in the background ignores some of them
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)


def events(what):
    try:
        with open(LOG) as f:
            return [line.split()[1] for line in f if line.split()[0] == what]
    except FileNotFoundError:
        return []


def until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def all_closed():
    """Whether no process has a file of a tracker any more."""
    poll = select.poll()
    poll.register(fifo, 0)
    return bool(poll.poll(0))


def start(command, target, **options):
    if os.path.exists(LOG):
        os.unlink(LOG)
    env = dict(os.environ, FAKE_LOG=LOG, FAKE_TRACKERS=FIFO)
    return subprocess.Popen([PROGRAM, *command, *target], env=env, stderr=subprocess.PIPE,
                            start_new_session=True, **options)


def wait_for_trackers(process):
    """One of the three trackers of the fake kernel cannot be started."""
    wanted = 1 if "advise" in process.args else 2
    if not until(lambda: len(events("start")) >= wanted or process.poll() is not None) or \
       process.poll() is not None:
        bad.append(f"{process.args[1]} did not start its trackers")
    elif all_closed():
        bad.append(f"{process.args[1]} has closed its trackers")


def check(what, process, want):
    try:
        code = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        code = f"none after {LIMIT} seconds"
    if code != want:
        bad.append(f"{what}: exit status {code}, not {want}")
    process.stderr.close()
    if not events("alloc"):
        bad.append(f"{what}: no trackers")
    if not until(all_closed):
        bad.append(f"{what}: the file of a tracker is still open")


with open(os.path.join(FOLDER, "fake-iommu")) as target:
    iommufd = {"stdin": target, "stdout": subprocess.DEVNULL}
    for name, command in COMMANDS.items():
        for number in SIGNALS:
            p = start(command, ["--fd", "0"], **iommufd)
            wait_for_trackers(p)
            p.send_signal(number)
            check(f"{name}, {number.name}", p, -number)
    # with its process group
    p = start(COMMANDS["watch"], ["--fd", "0"], **iommufd)
    wait_for_trackers(p)
    os.killpg(p.pid, signal.SIGKILL)
    check("watch, its group is killed", p, -signal.SIGKILL)
    # a reader that ends after the first line, and a full disk
    p = start(["watch", "--duration", "1s"], ["--fd", "0"], stdin=target, stdout=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    check("watch, closed pipe", p, -signal.SIGPIPE)
    for name in ("rate", "watch"):
        with open("/dev/full", "w") as full:
            p = start([name, "--duration", "1s"], ["--fd", "0"], stdin=target, stdout=full)
        check(f"{name}, full disk", p, 1)
    p = start(["record", "--interval", "1ms", "-o", "/dev/full"], ["--fd", "0"], **iommufd)
    check("record, full disk", p, 1)
    # the usual end; one of the address spaces cannot be tracked
    p = start(["rate"], ["--fd", "0"], **iommufd)
    check("rate", p, 1)
    # the observed process ends
    for name in ("rate", "watch", "record"):
        vmm = subprocess.Popen(["sleep", "1000"], stdin=target)
        p = start(COMMANDS[name], ["--pid", str(vmm.pid)], **iommufd)
        wait_for_trackers(p)
        vmm.kill()
        vmm.wait()
        check(f"{name}, the process ends", p, 4)

# a source that waits for its destination
with socket.socket() as unused:
    unused.bind(("127.0.0.1", 0))
    p = subprocess.Popen([PROGRAM, "migrate", "--to", f"127.0.0.1:{unused.getsockname()[1]}"],
                         stderr=subprocess.PIPE)
    p.stderr.readline()
    p.send_signal(signal.SIGINT)
    begin = time.monotonic()
    if p.wait(LIMIT) != -signal.SIGINT or time.monotonic() - begin > 5:
        bad.append("migrate waits for its destination, and not for SIGINT")

print("\n".join(bad))
sys.exit(bool(bad))
