#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Tests the Python module on the minimal kernel of the tests, which is preloaded.

Usage: LD_PRELOAD=libfake.so python.py EXAMPLES
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
import tempfile

import iommudirty
from iommudirty import lib

IOAS, IOVA, SIZE = 7, 0x100000000, 0x1000000


def expect(what, name):
    if not what:
        print(f"not ok - {name}")
        sys.exit(1)


def raises(code, text, call):
    try:
        call()
    except iommudirty.Error as error:
        expect((error.errno, error.strerror) == (code, text), f"{error} is not {text}")
    else:
        expect(False, f"no error: {text}")


def test_errors(iommufd):
    raises(errno.EBADF, "open: iommufd is negative", lambda: iommudirty.Iommufd(-1))
    raises(errno.ENOENT, "ALLOC: no object has this id", lambda: iommudirty.Tracker(iommufd, 99))
    raises(errno.ENOENT, "OPTION: ioas_id is not that of an IOAS", lambda: iommufd.set_trackable(99))
    with iommudirty.Tracker(iommufd, IOAS) as tracker:
        raises(errno.EINVAL, "START: tracker is that of an IOAS, which has no ranges",
               lambda: tracker.start(ranges=[(IOVA, SIZE)]))
        raises(errno.EINVAL, "START: flags has both IDIRTY_START_SPLIT and IDIRTY_START_SPLIT_LAZY",
               lambda: tracker.start(lib.IDIRTY_START_SPLIT | lib.IDIRTY_START_SPLIT_LAZY))
        raises(errno.EINVAL, "SCAN: page_size is not a power of two of at least 4096",
               lambda: list(tracker.scan(IOVA, SIZE, 5000)))
    print("ok - python: errors")


def test_option(iommufd, fake):
    trackable = ctypes.c_bool.in_dll(fake, "fake_trackable")
    iommufd.set_trackable(IOAS)
    expect(trackable.value, "page tables that can be tracked")
    iommufd.set_trackable(IOAS, False)
    expect(not trackable.value, "page tables as without trackers")
    print("ok - python: an option")


def test_tracker(iommufd, write):
    objects = iommufd.objects()
    expect([o.id for o in objects] == list(range(5)), "ids of objects")
    expect(objects[4].name == "0000:00:04.0" and objects[4].num_trackers == 5, "an object")
    with iommudirty.Tracker(iommufd, IOAS, lib.IDIRTY_ALLOC_FILE) as tracker:
        members = tracker.members()
        expect(len(members) == 20 and members[19].id == 28, "members")
        expect(members[0].format == lib.IDIRTY_FORMAT_AMD_V1, "format")
        expect(members[0].reason == lib.IDIRTY_REASON_OK, "reason")
        expect(members[0].flags == lib.IDIRTY_MEMBER_SPLITS and not members[0].split_reason,
               "a member that splits")
        expect(members[1].split_reason == lib.IDIRTY_REASON_NO_BBML, "one that does not")
        expect(members[1][6:] == (0x40201000, 0x201000, 101, 201, 301, 401), "its sizes and counts")
        tracker.start(lib.IDIRTY_START_SPLIT)
        # More runs than one SCAN returns
        for page in range(0, 4096, 2):
            write(page)
        runs = list(tracker.scan(IOVA, SIZE))
        expect(runs == [(IOVA + page * 4096, 4096) for page in range(0, 4096, 2)], "runs")
        bitmap = bytearray(4)
        write(3)
        expect(tracker.read(bitmap, IOVA, 0x10000) == 1 and bitmap == b"\x08\0\0\0", "bitmap")
        try:
            tracker.read(bitmap, IOVA, SIZE)
            expect(False, "a bitmap that is too small")
        except ValueError:
            pass
        tracker.stop()
        raises(errno.ENODATA, "READ: a tracker is not running, or was stopped, or its IOAS is "
               "gone (tracker 1 of the call)", lambda: tracker.read(bitmap, IOVA, 4096))
    print("ok - python: a tracker")


def test_break(iommufd, write):
    """What a loop over the runs does not take is dirty still"""
    want = [(IOVA + page * 4096, 4096) for page in range(0, 3000, 2)]

    def write_all():
        for page in range(0, 3000, 2):
            write(page)

    with iommudirty.Tracker(iommufd, IOAS, lib.IDIRTY_ALLOC_FILE) as tracker:
        tracker.start()
        write_all()
        for run in tracker.scan(IOVA, SIZE):
            if run == want[2]:
                break
        expect(list(tracker.scan(IOVA, SIZE)) == want[3:], "runs after a break")
        write_all()
        try:
            for run in tracker.scan(IOVA, SIZE):
                raise KeyError
        except KeyError:
            pass
        expect(list(tracker.scan(IOVA, SIZE)) == want[1:], "runs after an exception")
        write_all()
        for run in tracker.scan(IOVA, SIZE, flags=lib.IDIRTY_READ_NO_CLEAR):
            break
        expect(list(tracker.scan(IOVA, SIZE)) == want and not tracker.unmarked,
               "runs that were only looked at")
        write_all()
        for run in tracker.scan(IOVA, SIZE):
            tracker.stop()
            break
        expect(tracker.unmarked == want[1:1024], "what cannot be marked")
        raises(errno.ENODATA, "SCAN: a tracker is not running, or was stopped, or its IOAS is gone",
               lambda: list(tracker.scan(IOVA, SIZE)))
    print("ok - python: a loop that ends early")


def test_partial(iommufd, fake, write):
    """A READ that fails after a part of the range"""
    ctypes.c_uint64.in_dll(fake, "fake_fault_length").value = 0x2000
    fault = ctypes.c_uint32.in_dll(fake, "fake_fault_id")
    bitmap = bytearray(4)
    with iommudirty.Tracker(iommufd, IOAS) as tracker:
        tracker.start()
        write(1)
        fault.value = lib.idirty_tracker_id(tracker.tracker[0])
        try:
            tracker.read(bitmap, IOVA, 0x10000)
            expect(False, "no error of a READ")
        except iommudirty.Error as error:
            expect((error.errno, error.out_length) == (errno.EFAULT, 0x2000), "what was read")
        expect(bitmap[0] == 2, "its bit")
        fault.value = 0
    print("ok - python: a READ of a part")


class Translated:
    """The library, where the C library translates to Latin-1"""

    def __getattr__(self, name):
        return getattr(lib, name)

    @staticmethod
    def idirty_strerror(_error, text, _size):
        text[0:2] = b"\xe9\0"


def test_encoding():
    iommudirty.lib = Translated()
    raises(errno.EBADF, "\ufffd", lambda: iommudirty.Iommufd(-1))
    iommudirty.lib = lib
    print("ok - python: a text that is not UTF-8")


# While the example sleeps, a device writes to pages 1 to 3, and to page 100
def test_plot(folder):
    with tempfile.TemporaryDirectory() as out:
        file = os.path.join(out, "plot.svg")
        subprocess.run([os.path.join(folder, "plot.py"), "5", str(IOAS), hex(IOVA), hex(SIZE),
                        "3", file], check=True)
        with open(file, encoding="utf-8") as f:
            svg = f.read()
    expect(len(re.findall('id="run"', svg)) == 6, "two runs in each of three samples")
    for text in "written to IOAS 7: 0.047 MiB", "seconds", "MiB from IOVA 0x100000000":
        expect(f">{text}<" in svg, text)
    print("ok - python: the example plots")


def main(folder):
    fake = ctypes.CDLL(None)
    iommufd = iommudirty.Iommufd(5)
    test_errors(iommufd)
    test_option(iommufd, fake)
    test_tracker(iommufd, fake.fake_write)
    test_break(iommufd, fake.fake_write)
    test_partial(iommufd, fake, fake.fake_write)
    test_encoding()
    test_plot(folder)


main(sys.argv[1])
