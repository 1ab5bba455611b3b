#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Plots what devices write to an IOAS, over time: plot.py FD IOAS IOVA LENGTH SAMPLES FILE

FD is an inherited iommufd. There is one sample per second. The suffix of FILE selects the
format of the picture, such as .svg or .png.
"""

import sys
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # pylint: disable=wrong-import-position

import iommudirty  # pylint: disable=wrong-import-position

MIB = 1 << 20


def main(fd, ioas, iova, length, samples, file):
    iommufd = iommudirty.Iommufd(fd)
    flags = iommudirty.lib.IDIRTY_ALLOC_PASSIVE | iommudirty.lib.IDIRTY_ALLOC_FILE
    plt.rcParams["svg.fonttype"] = "none"
    axes = plt.figure(figsize=(8, 4)).subplots()
    total = 0
    with iommudirty.Tracker(iommufd, ioas, flags) as tracker:
        tracker.start()
        for sample in range(samples):
            time.sleep(1)
            runs = list(tracker.scan(iova, length))
            total += sum(size for _, size in runs)
            # A run is thin in a large IOAS: its edge makes it visible
            axes.bar([sample] * len(runs), [size / MIB for _, size in runs], 1,
                     [(start - iova) / MIB for start, _ in runs], align="edge",
                     color="tab:blue", edgecolor="tab:blue", gid="run")
    axes.set(title=f"written to IOAS {ioas}: {total / MIB:.3f} MiB", xlim=(0, samples),
             ylim=(0, length / MIB), xlabel="seconds", ylabel=f"MiB from IOVA {iova:#x}")
    plt.savefig(file)


main(*(int(argument, 0) for argument in sys.argv[1:6]), sys.argv[6])
