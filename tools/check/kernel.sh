# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages that test only the kernel: sparse, builds, KUnit. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

kernel() { "$overlay/build.sh" --arch "$arch" "$1"; }

# Adds jobs build-CONFIG. Kernels are built one at a time, in the order of the calls
last_kernel=
needs_kernel() { # configuration...
	local config
	for config; do
		[ -z "${job_state[build-$config]:-}" ] || continue
		job "build-$config" "$last_kernel" build_kernel "$config"
		last_kernel=build-$config
	done
}

build_kernel() { kernel "$1" >"$work/image-$1"; }

needs_qemu() { job build-qemu "" "$repo/tools/qemu/build.sh" "$target"; }

sparse_clean() { # file: sparse's log must not name it
	local rc=0
	grep -F "$1:" "$logs/sparse.log" || rc=$?
	[ "$rc" -eq 1 ]
}

stage_sparse() {
	local f tree build
	"$repo/tools/setup/setup.sh" check
	build=$(image debug)
	build=${build%/arch/*}
	# the same lock as in build.sh
	lock_cache "build-$(basename "${build%/*}")-${build##*/}"
	tree=$("$overlay/build.sh" tree)
	make -s -C "$tree" O="$build" ARCH="$arch" CROSS_COMPILE="$cross" -j "$jobs" \
		C=2 CF=-D__CHECK_ENDIAN__ drivers/iommu/ drivers/vfio/ >"$logs/sparse.log" 2>&1 </dev/null ||
		failed "sparse: the build failed, see $logs/sparse.log"
	# the files that the objects depend on
	find "$build/drivers" -name '.*.o.cmd' -exec grep -ohE '(drivers|include)/[^ ]+\.[ch]\>' {} + |
		sort -u >"$logs/compiled"
	for f in $(ours -name '*.[ch]' | comm -12 - "$logs/compiled"); do
		try "sparse $f" sparse_clean "$f"
	done
}

stage_builds() {
	passed "builds with IOMMUFD=m"
	passed "builds with the trackers off"
}

# Prints options for the KUnit suites of our files below a folder
suites() {
	find "$repo/drivers/$1" -name '*kunit*.c' -exec \
		sed -n '/struct kunit_suite/,/^}/s/.*\.name = "\(.*\)".*/--suite \1/p' {} + | grep .
}

stage_kunit_um() {
	local log=$logs/kunit-um.log list
	list=$(suites iommu)
	timeout --foreground -k 5 300 "$(image um)" mem=512M kunit_shutdown=halt console=tty </dev/null >"$log" 2>&1 || true
	# shellcheck disable=SC2086 # a list
	count kunit-um "$log" $list
}

# Runs all suites on the debug kernel with two CPUs
stage_kunit_vm() {
	local log=$logs/kunit-vm.log list
	list=$(suites .)
	vm "$log" --iommu "${default_modes%% *}" --kernel "$(image debug)" \
		--append "kunit.enable=1 loglevel=7" true
	# shellcheck disable=SC2086 # a list
	count kunit-vm "$log" $list
}
