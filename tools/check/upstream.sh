# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages "upstream" and "upstream-base": the kernel's own tests of iommufd, on our
# kernel and on the unmodified one. Sourced by check.sh.
#
# upstream.passed lists the tests that pass on the unmodified kernel. upstream-base, a
# stage of check-long, checks that the list is up to date.
# shellcheck disable=SC2154 # variables of check.sh

upstream_programs="iommufd iommufd_fail_nth"

# Builds static programs from tools/testing/selftests/iommu, in copies with a test time
# limit that suits an emulator
upstream_build() { # tree, folder
	local tree=$1 out=$2 p def defs=()
	local src=$out/tools/testing/selftests
	make -s -C "$tree" O="$out/headers" headers
	rm -rf "$out/tools"
	mkdir -p "$src"
	ln -sfn "$tree/drivers" "$out/drivers"
	cp -r "$tree"/tools/testing/selftests/{iommu,kselftest.h,kselftest_harness.h} "$src"
	sed -i 's/\(define TEST_TIMEOUT_DEFAULT\) 30$/\1 300/' "$src/kselftest_harness.h"
	# Debian's copy of the tests uses names that its kernel does not have yet. Define
	# them as names or values that it has
	for def in IOMMU_HW_INFO_TYPE_DEFAULT=0 IOMMU_HW_INFO_FLAG_INPUT_TYPE=0 \
		in_data_type=out_data_type MOCK_FLAGS_DEVICE_PASID=0 MOCK_PASID_WIDTH=0; do
		grep -qw "${def%%=*}" "$out/headers/usr/include/linux/iommufd.h" \
			"$tree/drivers/iommu/iommufd/iommufd_test.h" || defs+=("-D$def")
	done
	for p in $upstream_programs; do
		gcc -Wall -O2 -Wno-unused-function -D_GNU_SOURCE= "${defs[@]}" \
			-isystem "$out/headers/usr/include" -static -o "$out/$p" "$src/iommu/$p.c"
		[ -f "$tree/include/uapi/linux/iommufd_dirty.h" ] || continue
		gcc -Wall -O2 -Wno-unused-function -D_GNU_SOURCE= "${defs[@]}" \
			-isystem "$out/headers/usr/include" -static -o "$out/$p-observed" \
			"$src/iommu/$p.c" "$here/upstream-observer.c"
	done
}

build_upstream_programs() {
	"$repo/tools/setup/setup.sh" kernel
	mkdir -p "$cache/upstream"
	logged "$logs/upstream-build.log" upstream_build "$("$overlay/build.sh" tree)" "$cache/upstream"
}

upstream_run() { # log, program, kernel configuration
	LIMIT=600 vm "$1" --kernel "$(image "$3")" --iommu none --edu 0 --mem 2G \
		--add "$here/guest-run" --add "$cache/upstream/$2" \
		"echo 64 >/proc/sys/vm/nr_hugepages; LIMIT=600 guest-run $2"
}

# Without a suffix, then with a passive tracker on each IOAS
upstream_ours() { # name, program, kernel configuration, -observed or nothing
	upstream_run "$logs/$1.log" "$2$4" "$3"
	count "$1" "$logs/$1.log" \
		--against <(sed -n "s/^$2: /$2$4: /p" "$here/upstream.passed")
}

upstream_base() {
	local p log passed=$logs/upstream-base.passed
	rm -f "$passed"*
	for p in $upstream_programs; do
		log=$logs/upstream-base-$p.log
		upstream_run "$log" "$p" base
		count "upstream-base-$p" "$log" --save "$passed.$p" \
			--against <(grep "^$p: " "$here/upstream.passed")
	done
	cat "$passed".iommufd* >"$passed"
	try "upstream.passed matches the unmodified kernel" \
		diff -u <(grep -v '^#' "$here/upstream.passed") "$passed"
}

# check-long uses the debug kernel, where the tests take seven times as long
jobs_upstream() {
	local p suffix name=upstream config=fast
	[ -z "$long" ] || name=upstream-debug config=debug
	needs_kernel "$config"
	needs_qemu
	job build-upstream-programs "build-$config" build_upstream_programs
	for p in $upstream_programs; do
		for suffix in '' -observed; do
			job "$name-$p$suffix" "build-$config build-qemu build-upstream-programs" \
				upstream_ours "$name-$p$suffix" "$p" "$config" "$suffix"
		done
	done
}

jobs_upstream_base() {
	needs_kernel base
	needs_qemu
	job build-upstream-programs build-base build_upstream_programs
	job upstream-base "build-base build-qemu build-upstream-programs" upstream_base
}
