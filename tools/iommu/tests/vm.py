#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints a record like that of a VM with three devices: a ring of descriptors, a stream
into a file's pages, and random writes, in an address space of 1 TiB with large holes.

Usage: vm.py SIZE          the bytes that are written to at random
"""
import json
import random
import sys

PAGE, MIB, GIB = 4096, 1 << 20, 1 << 30
SAMPLES, STREAM, STEP = 100, 256 * MIB, 20 * MIB
size = int(sys.argv[1])
pick = random.Random(1)


def line(**fields):
    print(json.dumps(fields, separators=(",", ":")))


line(**{"iommu-dirty-record": 3, "page_size": PAGE, "start": "2026-11-28T15:00:00Z",
        "host": "example", "address_spaces": [
            {"ioas": 1, "devices": ["0000:00:04.0", "0000:00:05.0", "0000:00:06.0"]},
            {"ioas": 2, "devices": []}]})
for i in range(1, SAMPLES + 1):
    runs = [[0x1000, 64 * PAGE]]
    at = i * STEP % STREAM
    runs.append([4 * GIB + at, min(STEP, STREAM - at)])
    if at + STEP > STREAM:
        runs.append([4 * GIB, at + STEP - STREAM])
    pages = sorted(pick.randrange(size // PAGE) for _ in range(40))
    runs += [[(1 << 40) - size + page * PAGE, PAGE] for page in dict.fromkeys(pages)]
    line(time=i / 10, ioas=1, runs=[[hex(address), length] for address, length in runs])
