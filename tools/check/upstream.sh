# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages "upstream" and "upstream-base": the kernel's own tests of iommufd and, in Linux
# 7.3, of VFIO, on our kernel and on the unmodified one. Sourced by check.sh.
#
# upstream-BASE.passed lists the tests that pass on the unmodified kernel. upstream-base, a
# stage of check-long, checks that the list is up to date. For a base kernel without such a
# list, upstream-base runs first and makes one.
# shellcheck disable=SC2154 # variables of check.sh

upstream_programs="iommufd iommufd_fail_nth"
# with a device as the argument, an igb network card, for which they have a driver
upstream_vfio_programs="vfio_pci_device_test vfio_iommufd_setup_test vfio_dma_mapping_test
	vfio_pci_device_init_perf_test"
# the same, but each of its tests maps 1 GiB, which takes minutes on the debug kernel, and
# one of them has a time limit of its own
upstream_vfio_driver=vfio_pci_driver_test
upstream_passed=$here/upstream-$BASE.passed upstream_listed=1
[ -f "$upstream_passed" ] || upstream_passed=$logs/upstream-base.passed upstream_listed=''
upstream_dir=$cache/upstream/$BASE

# Builds static programs from tools/testing/selftests/iommu, in copies with a test time
# limit that suits an emulator
upstream_build() { # tree, folder
	local tree=$1 out=$2 p def defs=() libs=()
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
	! grep -q sys/capability.h "$src"/iommu/*.c || libs=(-lcap)
	for p in $upstream_programs; do
		gcc -Wall -O2 -Wno-unused-function -D_GNU_SOURCE= "${defs[@]}" \
			-isystem "$out/headers/usr/include" -I "$src" -static -o "$out/$p" \
			"$src/iommu/$p.c" "${libs[@]}"
		[ -f "$tree/include/uapi/linux/iommufd_dirty.h" ] || continue
		gcc -Wall -O2 -Wno-unused-function -D_GNU_SOURCE= "${defs[@]}" \
			-isystem "$out/headers/usr/include" -I "$src" -static -o "$out/$p-observed" \
			"$src/iommu/$p.c" "$here/upstream-observer.c" "${libs[@]}"
	done
}

# Linux 6.12 has no tests of VFIO
upstream_has_vfio() { [ "$BASE" != 6.12 ]; }

# After upstream_build, with its time limit
upstream_build_vfio() { # tree, folder
	local tree=$1 out=$2 p src=$1/tools/testing/selftests
	for p in $upstream_vfio_programs $upstream_vfio_driver; do
		gcc -O2 -D_GNU_SOURCE= -isystem "$out/headers/usr/include" \
			-I "$out/tools/testing/selftests" -I "$src" \
			-I "$src/vfio/lib/include" -I "$tree/tools/include" \
			-I "$tree/tools/arch/x86/include" -static -o "$out/$p" "$src/vfio/$p.c" \
			"$src"/vfio/lib/*.c "$src"/vfio/lib/drivers/*/*.c -luuid -lpthread
	done
}

build_upstream_programs() {
	"$repo/tools/setup/setup.sh" kernel upstream
	mkdir -p "$upstream_dir"
	logged "$logs/upstream-build.log" upstream_build "$("$overlay/build.sh" tree)" "$upstream_dir"
	! upstream_has_vfio ||
		logged "$logs/upstream-build-vfio.log" upstream_build_vfio "$("$overlay/build.sh" tree)" "$upstream_dir"
}

upstream_run() { # log, program, kernel configuration
	LIMIT=600 vm "$1" --kernel "$(image "$3")" --iommu none --edu 0 --mem 2G \
		--add "$here/guest-run" --add "$upstream_dir/$2" \
		"echo 64 >/proc/sys/vm/nr_hugepages; LIMIT=600 guest-run $2"
}

upstream_vfio_run() { # log, kernel configuration, program...
	local p adds=() runs=''
	for p in "${@:3}"; do
		adds+=(--add "$upstream_dir/$p")
		runs+=" \"$p \$1\""
	done
	LIMIT=900 vm "$1" --kernel "$(image "$2")" --iommu vtd-ss --edu 0 --igb 1 --mem 2G \
		--add "$here/guest-run" "${adds[@]}" \
		"echo 64 >/proc/sys/vm/nr_hugepages; set -- \$(bind-vfio); LIMIT=900 guest-run $runs"
}

upstream_vfio() { # name, kernel configuration, program...
	local log=$logs/$1.log
	upstream_vfio_run "$log" "${@:2}"
	count "$1" "$log" --against <(printf '^%s: \n' "${@:3}" | grep -f - "$upstream_passed")
}

# Without a suffix, then with a passive tracker on each IOAS
upstream_ours() { # name, program, kernel configuration, -observed or nothing
	upstream_run "$logs/$1.log" "$2$4" "$3"
	count "$1" "$logs/$1.log" \
		--against <(sed -n "s/^$2: /$2$4: /p" "$upstream_passed")
}

upstream_base() {
	local p log passed=$logs/upstream-base.passed expected=/dev/null
	[ -z "$upstream_listed" ] || expected=$upstream_passed
	rm -f "$passed"*
	for p in $upstream_programs; do
		log=$logs/upstream-base-$p.log
		upstream_run "$log" "$p" base
		count "upstream-base-$p" "$log" --save "$passed.$p" \
			--against <(grep "^$p: " "$expected")
	done
	if upstream_has_vfio; then
		log=$logs/upstream-base-vfio.log
		# shellcheck disable=SC2086 # a list
		upstream_vfio_run "$log" base $upstream_vfio_programs "$upstream_vfio_driver"
		count upstream-base-vfio "$log" --save "$passed.vfio" \
			--against <(grep '^vfio_' "$expected")
	fi
	cat "$passed".* >"$passed"
	[ -n "$upstream_listed" ] || return 0
	try "${upstream_passed##*/} matches the unmodified kernel" \
		diff -u <(grep -v '^#' "$upstream_passed") "$passed"
}

# check-long uses the debug kernel, where the tests take seven times as long
jobs_upstream() {
	local p suffix name=upstream config=fast needs
	[ -z "$long" ] || name=upstream-debug config=debug
	needs_kernel "$config"
	needs_qemu
	job build-upstream-programs "build-$config" build_upstream_programs
	needs="build-$config build-qemu build-upstream-programs"
	if [ -z "$upstream_listed" ]; then
		jobs_upstream_base
		needs+=" upstream-base"
	fi
	for p in $upstream_programs; do
		for suffix in '' -observed; do
			job "$name-$p$suffix" "$needs" upstream_ours "$name-$p$suffix" "$p" "$config" "$suffix"
		done
	done
	upstream_has_vfio || return 0
	# shellcheck disable=SC2086 # a list
	job "$name-vfio" "$needs" upstream_vfio "$name-vfio" "$config" $upstream_vfio_programs
	needs_kernel fast
	job upstream-vfio-driver "build-fast $needs" \
		upstream_vfio upstream-vfio-driver fast "$upstream_vfio_driver"
}

jobs_upstream_base() {
	needs_kernel base
	needs_qemu
	job build-upstream-programs build-base build_upstream_programs
	job upstream-base "build-base build-qemu build-upstream-programs" upstream_base
}
