# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Which pages did devices write to? libiommudirty(3) for Python.

    iommufd = iommudirty.Iommufd(fd)
    with iommudirty.Tracker(iommufd, ioas_id, iommudirty.lib.IDIRTY_ALLOC_FILE) as tracker:
        tracker.start()
        for iova, length in tracker.scan(0, 1 << 40):
            ...

`lib` has the functions and constants of the C library, and `ffi` makes the structs for
those that have no method here.
"""

import collections

from _iommudirty import ffi

lib = ffi.dlopen("libiommudirty.so.1")

Object = collections.namedtuple("Object", "type id parent_id flags state num_trackers name")
Member = collections.namedtuple(
    "Member", "type id format reason flags split_reason io_page_sizes io_page_sizes_used "
              "split unsplit merged unmerged")


class Error(OSError):
    """A call has failed; errno and strerror are those of idirty_last_error(3)

    After read() and scan(), out_length is how much of the range has been dealt with.
    """

    out_length = None


def _text(chars):
    """The C library may translate its texts to an encoding that is not UTF-8"""
    return ffi.string(chars).decode(errors="replace")


def _check(rc, out_length=None):
    if rc < 0:
        text = ffi.new("char[]", 256)
        lib.idirty_strerror(lib.idirty_last_error(), text, len(text))
        error = Error(-rc, _text(text))
        error.out_length = out_length
        raise error


def _struct(name, **fields):
    struct = ffi.new(f"struct {name} *", fields)
    struct.size = ffi.sizeof(struct[0])
    return struct


class Iommufd:
    """An open /dev/iommu, which remains the caller's"""

    def __init__(self, fd):
        context = ffi.new("struct idirty **")
        _check(lib.idirty_open(fd, context))
        self.context = ffi.gc(context[0], lib.idirty_close)

    def objects(self):
        """The IOASes, HWPTs, devices and trackers of the file"""
        objects, num = ffi.new("struct idirty_object ***"), ffi.new("size_t *")
        _check(lib.idirty_list(self.context, objects, num))
        array = ffi.gc(objects[0], lib.idirty_free)
        return [
            Object(*(getattr(array[i], field) for field in Object._fields[:-1]),
                   _text(array[i].name))
            for i in range(num[0])
        ]

    def set_trackable(self, ioas, trackable=True):
        """Requests page tables that can be tracked, for devices attached to an IOAS from now on"""
        _check(lib.idirty_set_trackable(self.context, ioas, trackable))


class Tracker:
    """A tracker of an IOAS or of a device; close() destroys it

    unmarked is a list of runs (iova, length): those that scan() has made clean, but neither
    yielded nor made dirty again.
    """

    def __init__(self, iommufd, target, flags=0):
        self.unmarked = []
        tracker = ffi.new("struct idirty_tracker **")
        what = _struct("idirty_target", id=target, vfio_fd=-1, flags=flags)
        self.tracker = None
        _check(lib.idirty_alloc(iommufd.context, what, tracker))
        self.tracker = tracker

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.tracker:
            tracker, self.tracker = self.tracker, None
            _check(lib.idirty_destroy(tracker[0]))

    def members(self):
        """What the tracker covers, with a reason for what cannot be tracked"""
        out = ffi.new("struct idirty_tracker_info **")
        _check(lib.idirty_info(self.tracker[0], out))
        info = ffi.gc(out[0], lib.idirty_free)
        return [
            Member(*(getattr(info.members[i], field) for field in Member._fields))
            for i in range(info.num_members)
        ]

    def start(self, flags=0, ranges=()):
        """Tracks all of an IOAS, or those (iova, length) of a device

        With lib.IDIRTY_START_SPLIT or _SPLIT_LAZY, large entries of page tables are split.
        """
        _check(lib.idirty_start(self.tracker[0], flags, list(ranges), len(ranges), ffi.NULL))

    def stop(self):
        _check(lib.idirty_stop(self.tracker[0]))

    def scan(self, iova, length, page_size=4096, flags=0):
        """Yields the dirty runs of a range as (iova, length), and makes them clean

        If the caller does not take all of them, as after a break, the others become dirty
        again. Where that fails (the tracker uses a fallback, or runs no longer), unmarked has
        them, and no later call reports them. A run that was yielded is the caller's.
        """
        runs = ffi.new("struct idirty_range[]", 1024)
        done = 0
        while done < length:
            scan = _struct("idirty_scan_args", iova=iova + done, length=length - done,
                           page_size=page_size, flags=flags, runs=runs, num_runs=len(runs))
            rc = lib.idirty_scan(self.tracker, 1, scan)
            taken = 0
            try:
                # These are clean now, also after an error
                while taken < scan.num_runs:
                    taken += 1
                    yield runs[taken - 1].iova, runs[taken - 1].length
            finally:
                if not flags & lib.IDIRTY_READ_NO_CLEAR:
                    self._give_back(runs + taken, scan.num_runs - taken)
            done += scan.out_length
            _check(rc, done)

    def _give_back(self, runs, num):
        if not num:
            return
        mark = _struct("idirty_mark_args", runs=runs, num_runs=num)
        # An exception here would be lost: nobody calls the end of a generator
        if not self.tracker or lib.idirty_mark(self.tracker[0], mark) < 0:
            self.unmarked += [(runs[i].iova, runs[i].length) for i in range(num)]

    def read(self, bitmap, iova, length, page_size=4096, flags=0):
        """Sets the bits of dirty pages in a bytearray, as idirty_read(3); returns their number

        After an error, bits may be set, too: those pages are clean now. out_length of the
        exception is how much of the range has been read.
        """
        if len(bitmap) < lib.idirty_bitmap_bytes(iova, length, page_size):
            raise ValueError("the bitmap is too small for the range")
        read = _struct("idirty_read_args", iova=iova, length=length, page_size=page_size,
                       flags=flags, bitmap=ffi.from_buffer(bitmap, require_writable=True))
        _check(lib.idirty_read(self.tracker, 1, read, ffi.NULL), read.out_length)
        return read.out_pages
