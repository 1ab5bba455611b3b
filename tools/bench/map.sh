#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Compares the cost of mapping and unmapping without a running tracker with the cost in
# the unmodified kernel. Both kernels have the same configuration, except for the
# overlay, and run the same program (map.c). The emulator counts each instruction as one
# nanosecond, so the figures do not depend on the load of the host.
#
# Usage: [KSRC=tree] map.sh [MODE]      a mode of run.sh --iommu (default: vtd-ss)
#
# Fails if any cost is more than 1.02 times that of the unmodified kernel.
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
for kernel in base-plain plain; do
	note "running the $kernel kernel (a few minutes)"
	logged "$out/map-$kernel.out" "$repo/tools/vm/run.sh" --quiet --log "$out/map-$kernel.log" \
		--accel icount --timeout 1200 --cpus 1 --kernel "$kernel" --iommu "$mode" --edu 1 \
		--add "$out/map" -- map
done
awk 'BEGIN { printf "%-24s %12s %12s %8s\n", "ns for MAP and UNMAP", "unmodified", "ours", "ratio" }
	!sub(/^.*@map /, "") { next }
	{ sub(/\r$/, ""); split($0, a, ": ") }
	NR == FNR { base[a[1]] = a[2]; next }
	{ ratio = a[2] / base[a[1]]; n++; over = (ratio > 1.02); bad += over
	  printf "%-24s %12d %12d %8.3f%s\n", a[1], base[a[1]], a[2], ratio, over ? " !" : "" }
	END { exit bad || n != 3 }' "$out/map-base-plain.log" "$out/map-plain.log"
