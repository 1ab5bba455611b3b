#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Ends each observing command of iommu-dirty in each way but SIGKILL, on the fake kernel
of fake-vfio: no tracker may be left, and the exit status must be right.

Usage: signals.py FAKE-VFIO FOLDER
"""
import os
import signal
import subprocess
import sys
import time

program, folder = sys.argv[1:]
log = os.path.join(folder, "trackers.log")
COMMANDS = {
    "rate": ["rate", "--seconds", "1000"],
    "watch": ["watch", "--seconds", "1000"],
    "record": ["record", "--seconds", "1000", "--interval", "1000000", "-o", "/dev/null"],
    "advise": ["advise", "--interval", "1000000"],
}
# the commands that a user ends with a signal
ENDLESS = ("watch", "record")
bad = []


def events(what):
    try:
        with open(log) as f:
            return [line.split()[1] for line in f if line.split()[0] == what]
    except FileNotFoundError:
        return []


def start(command, target, **options):
    if os.path.exists(log):
        os.unlink(log)
    env = dict(os.environ, FAKE_LOG=log)
    return subprocess.Popen([program, *command, *target], env=env, stderr=subprocess.PIPE,
                            restore_signals=True, **options)


def wait_for_trackers(process):
    """One of the trackers of the fake kernel cannot be started."""
    while len(events("start")) < (1 if "advise" in process.args else 2):
        if process.poll() is not None:
            bad.append(f"{process.args[1]} ended by itself: {process.stderr.read()}")
            return
        time.sleep(0.01)


def check(what, process, want):
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = "none after 60 seconds"
    if code != want:
        bad.append(f"{what}: exit status {code}, not {want}: {process.stderr.read()}")
    left = sorted(set(events("alloc")) - set(events("destroy")))
    if left or not events("alloc"):
        bad.append(f"{what}: trackers left: {left}")


with open("/dev/null") as target:
    iommufd = {"stdin": target, "stdout": subprocess.DEVNULL}
    for name, command in COMMANDS.items():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            p = start(command, ["--fd", "0"], **iommufd)
            wait_for_trackers(p)
            p.send_signal(number)
            # one of three address spaces cannot be tracked
            ended = {"watch": 0, "record": 1}.get(name, -number)
            check(f"{name}, {number.name}", p, ended)
    # a reader that ends after the first lines, and a full disk
    p = start(["watch", "--seconds", "1"], ["--fd", "0"], stdin=target, stdout=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    check("watch, closed pipe", p, 1)
    with open("/dev/full", "w") as full:
        for name in ("rate", "watch"):
            p = start([name, "--seconds", "1"], ["--fd", "0"], stdin=target, stdout=full)
            check(f"{name}, full disk", p, 1)

# the observed process ends
with open(os.path.join(folder, "fake-iommu")) as vmm_in, \
     subprocess.Popen(["sleep", "1000"], stdin=vmm_in) as vmm:
    for name in ("rate", "watch"):
        p = start(COMMANDS[name], ["--pid", str(vmm.pid)], stdin=vmm_in, stdout=subprocess.DEVNULL)
        wait_for_trackers(p)
        if name == "watch":
            vmm.kill()
            vmm.wait()
            check("watch, the process ends", p, 4)
        else:
            p.send_signal(signal.SIGTERM)
            check("rate of a process, SIGTERM", p, -signal.SIGTERM)

print("\n".join(bad))
sys.exit(bool(bad))
