#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records with the fake kernel of fake-vfio: compressed, on a pipe, ended by a signal, cut
off anywhere, on a full disk. Python's own JSON and gzip modules read them.

Usage: records.py FAKE-VFIO FOLDER RECORD
"""
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zlib

PROGRAM, FOLDER, SAMPLE = sys.argv[1:]
LIMIT = 60
# the fake kernel's IOAS 6 cannot be tracked
RUNS = {5: [["0x100000000", 1 << 20]], 7: [["0x100000000", 2 << 20]]}
bad = []


def run(*arguments, **options):
    with open(os.path.join(FOLDER, "fake-iommu")) as iommufd:
        return subprocess.run([PROGRAM, *arguments], stdin=iommufd, capture_output=True,
                              timeout=LIMIT, check=False, **options)


def expect(what, got, want):
    if got != want:
        bad.append(f"{what}: {got!r}, not {want!r}")


def check_record(what, text):
    header, *samples = [json.loads(line) for line in text.decode().splitlines()]
    expect(f"{what}: version", header["iommu-dirty-record"], 3)
    expect(f"{what}: IOASes", [a["ioas"] for a in header["address_spaces"]], [5, 6, 7])
    time.strptime(header["start"], "%Y-%m-%dT%H:%M:%SZ")
    expect(f"{what}: samples", {s["ioas"] for s in samples}, set(RUNS))
    for sample in samples:
        expect(f"{what}: runs", sample["runs"], RUNS[sample["ioas"]])


def draw(text):
    result = subprocess.run([PROGRAM, "heatmap", "-"], input=text, capture_output=True,
                            timeout=LIMIT, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


record = ["record", "--fd", "0", "--duration", "300ms"]
done = run(*record, "-o", "-")
check_record("standard output", done.stdout)
expect("standard output: last line", done.stderr.decode().splitlines()[-1].split()[-4:],
       ["of", "2", "address", "spaces"])

name = os.path.join(FOLDER, "test.rec.gz")
run(*record, "-o", name)
with gzip.open(name) as file:
    check_record("gzip", file.read())
with open(name, "rb") as file:
    compressed = file.read()
expect("gzip: drawn", draw(compressed)[::2], (0, ""))
expect("gzip, cut off: drawn", draw(compressed[:-20])[0], 0)
damaged = bytearray(compressed)
damaged[-6] ^= 1
expect("gzip, wrong checksum", draw(damaged)[::2],
       (1, "iommu-dirty: -: what follows cannot be read\n"))
# more than half of it must not get into memory
pack = zlib.compressobj(1, wbits=31)
small = b"".join(pack.compress(bytes(1 << 20)) for _ in range(1 << 10)) + pack.flush()
expect("gzip of a very long line", draw(small)[::2],
       (1, "iommu-dirty: -: line 1: the line is too long\n"))
expect("its memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 512 << 10, True)
expect("empty", draw(b"")[::2], (1, "iommu-dirty: -: the file is empty\n"))



def signalled(what, end, duration, status):
    """Records, gets a signal meanwhile, and ends with a summary and a whole record"""
    os.unlink(name)
    with open(os.path.join(FOLDER, "fake-iommu")) as target, \
         subprocess.Popen([PROGRAM, "record", "--fd", "0", "--duration", duration, "--interval",
                           "20ms", "-o", name], stdin=target, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        while not os.path.exists(name) or os.path.getsize(name) < 200:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(end)
        said = process.communicate(timeout=LIMIT)[0].decode()
    expect(f"{what}: exit status", process.returncode, status)
    expect(f"{what}: last line", said.split()[-4:], ["of", "2", "address", "spaces"])
    with gzip.open(name) as file:
        text = file.read()
    check_record(what, text)
    return json.loads(text.splitlines()[-1])["time"]


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    # a shell that starts this in the background ignores some of them
    signal.signal(number, signal.SIG_DFL)
    signalled(number.name, number, "1h", -number)
# as under nohup(1): the record goes on, and the status is that of an IOAS that is not tracked
signal.signal(signal.SIGHUP, signal.SIG_IGN)
last = signalled("an ignored signal", signal.SIGHUP, "2s", 1)
expect("an ignored signal: all samples", last > 1.5, True)

expect("full disk", run(*record, "-o", "/dev/full").stderr.decode().splitlines()[-1],
       "iommu-dirty: /dev/full: No space left on device")

# a sample that is larger than the buffer of stdio
name = os.path.join(FOLDER, "limited.rec")
done = run(*record, "-o", name, env=dict(os.environ, FAKE_KERNEL="scattered"),
           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
           restore_signals=False)
expect("a limit", done.stderr.decode().splitlines()[-1], f"iommu-dirty: {name}: File too large")

# wherever a record is cut off, what is complete is drawn
with open(SAMPLE, "rb") as file:
    lines = file.read().splitlines(keepends=True)
whole = draw(b"".join(lines[:-1]))
for size in range(1, len(lines[-1]) - 1):
    got = draw(b"".join(lines[:-1]) + lines[-1][:size])
    expect(f"cut off after {size} bytes", got, (*whole[:2],
           f"iommu-dirty: -: line {len(lines)} is cut off, and left out\n"))
    if bad:
        break
for spaces, status in (([], 0), ([{"ioas": 1}], 0), ([{"ioas": 1, "fd": 3, "devices": ["a"]}], 0),
                       ([{"ioas": 1, "devices": [1]}], 1), ([{"ioas": 1, "devices": "a"}], 1),
                       ([{"devices": ["a"]}], 1), ([{"ioas": 1, "fd": "3"}], 1), (["a"], 1),
                       ({}, 1), (None, 1)):
    header = json.dumps(dict(json.loads(lines[0]), address_spaces=spaces)) + "\n"
    got = draw(header.encode() + b"".join(lines[1:]))
    expect(f"the address spaces {spaces}", got[::2], (status, (
        "iommu-dirty: -: line 1: not address spaces with ioas and names of devices\n"
        if status else "")))
expect("broken inside", draw(lines[0] + b"{\n" + lines[1])[::2],
       (1, "iommu-dirty: -: line 2: not JSON\n"))

print("\n".join(bad))
sys.exit(bool(bad))
