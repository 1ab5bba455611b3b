#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Compares the cost of mapping and unmapping without a running tracker with the cost in
# the unmodified kernel, and the cost beside an observer with the cost without. Both
# kernels have the same configuration, except for the overlay, and run the same program
# (map.c). The emulator counts each instruction as one nanosecond, so the figures do not
# depend on the load of the host.
#
# Usage: [KSRC=tree] map.sh [MODE]      a mode of run.sh --iommu (default: vtd-ss)
#
# Fails if any cost is more than 1.02 times that of the unmodified kernel; if beside an
# observer that does not read it is more than 1.02 times that without, and beside one that
# reads once a second more than 1.05 times.
. "$(dirname "$0")/../setup/common.sh"

mode=${1:-vtd-ss}
out=$cache/bench
mkdir -p "$out"
build=$repo/tools/overlay/build.sh
lib=$repo/selftests/iommufd_dirty
logged "$out/map-build.log" "$repo/tools/overlay/selftests.sh" "$out"
logged "$out/map-build.log" gcc -O2 -std=gnu11 -pthread -D_GNU_SOURCE -static -o "$out/map" \
	-I"$lib/lib" -I"$repo/tools/devices" -isystem "$out/usr/include" \
	-isystem "$("$build" tree)/tools/testing/selftests" "$repo/tools/bench/map.c" "$out"/kselftest/iommufd_dirty/{lib,devices}/*.o
run_map() { # kernel, name of the output, argument of map
	note "running the $1 kernel${3:+, $3} (a few minutes)"
	logged "$out/map-$2.out" "$repo/tools/vm/run.sh" --quiet --log "$out/map-$2.log" \
		--accel icount --timeout 1200 --cpus 1 --kernel "$1" --iommu "$mode" --edu 1 \
		--add "$out/map" -- map "${@:3}"
}

compare() { # name of the rival, its output, name of ours, its output, limit
	awk -v limit="$5" -v rival="$1" -v ours="$3" 'BEGIN {
			printf "%-24s %12s %14s %8s\n", "ns for MAP and UNMAP", rival, ours, "ratio" }
		!sub(/^.*@map /, "") { next }
		{ sub(/\r$/, ""); split($0, a, ": ") }
		NR == FNR { base[a[1]] = a[2]; next }
		{ ratio = a[2] / base[a[1]]; n++; over = (ratio > limit); bad += over
		  printf "%-24s %12d %14d %8.3f%s\n", a[1], base[a[1]], a[2], ratio, over ? " !" : "" }
		END { exit bad || n != 3 }' "$out/map-$2.log" "$out/map-$4.log"
}

run_map base-plain base-plain
run_map plain plain
run_map plain idle idle
run_map plain observed observed
rc=0
compare unmodified base-plain ours plain 1.02 || rc=1
compare alone plain "idle observer" idle 1.02 || rc=1
compare alone plain "each second" observed 1.05 || rc=1
exit $rc
