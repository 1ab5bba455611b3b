#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Times the dirty walkers natively (ARCH=um), for each page table format, into the
# bitmap of a user process: 64 GiB of IOVA in 4 KiB entries, the same in 2 MiB
# entries, and three mappings far apart. A plain sequential read and the base
# kernel's io-pgtable-arm walker are timed in alternation with them.
#
# Usage: [KSRC=tree] bench.sh [--json]
. "$(dirname "$0")/../setup/common.sh"

linux=$("$repo/tools/overlay/build.sh" bench)
log=$cache/bench.log
note "running the benchmark (some minutes; let nothing else run); the console goes to $log"
timeout 1800 "$linux" mem=700M kunit.enable=1 kunit_shutdown=halt \
	kunit.filter_glob=iommufd_dirty_bench con=null con0=fd:0,fd:1 \
	</dev/null >"$log" 2>&1 || true
if grep -q '^[^a-z]*not ok ' "$log"; then
	die "the benchmark has failed: see $log"
fi
"$repo/tools/bench/table.py" "$@" "$log"
