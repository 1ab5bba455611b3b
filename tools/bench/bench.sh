#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Times the dirty walkers natively (ARCH=um) for each page table format. They mark in
# the bitmap of a user process. The layouts are 64 GiB of IOVA in 4 KiB entries, the
# same in 2 MiB entries, and three mappings far apart. The passes alternate with a
# sequential read of the entries and with the base kernel's walkers: io-pgtable-arm and,
# in Linux 7.3, the two of generic_pt for VT-d and AMD.
#
# Usage: [BASE=version | KSRC=tree] bench.sh [--json]
. "$(dirname "$0")/../setup/common.sh"

linux=$("$repo/tools/overlay/build.sh" bench)
log=$cache/bench.log
note "running the benchmark (a few minutes; keep the machine idle), console log: $log"
timeout 1800 "$linux" mem=900M kunit.enable=1 kunit_shutdown=halt \
	'kunit.filter_glob=iommufd_dirty_bench*' con=null con0=fd:0,fd:1 \
	</dev/null >"$log" 2>&1 || true
if grep -q '^[^a-z]*not ok ' "$log"; then
	die "the benchmark failed, see $log"
fi
"$repo/tools/bench/table.py" "$@" "$log"
