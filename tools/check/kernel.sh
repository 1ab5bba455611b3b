# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages that test only the kernel: sparse, builds, KUnit. Sourced by check.sh.
# shellcheck disable=SC2154,SC2153 # variables of check.sh, such as BASE

# A configuration of build.sh, after the base kernel if that is not $BASE: 7.3:debug
kernel() {
	case $1 in
	*:*) BASE=${1%%:*} "$overlay/build.sh" --arch "$arch" "${1##*:}" ;;
	*) "$overlay/build.sh" --arch "$arch" "$1" ;;
	esac
}

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

sparse_clean() { # log file: sparse's log must not name it
	local rc=0
	grep -F "$2:" "$1" || rc=$?
	[ "$rc" -eq 1 ]
}

stage_sparse() { # name, kernel configuration
	local f tree build log=$logs/$1.log config=$2 base=$BASE
	[[ $config != *:* ]] || base=${config%%:*}
	"$repo/tools/setup/setup.sh" check
	build=$(image "$config")
	build=${build%/arch/*}
	# the same lock as in build.sh
	lock_cache "build-$(basename "${build%/*}")-${build##*/}"
	tree=$(kernel "${config%debug}tree")
	make -s -C "$tree" O="$build" ARCH="$karch" CROSS_COMPILE="$cross" -j "$jobs" \
		C=2 CF=-D__CHECK_ENDIAN__ drivers/iommu/ drivers/vfio/ >"$log" 2>&1 </dev/null ||
		failed "$1: the build failed, see $log"
	# the files that the objects depend on
	find "$build/drivers" -name '.*.o.cmd' -exec grep -ohE '(drivers|include)/[^ ]+\.[ch]\>' {} + |
		sort -u >"$log.compiled"
	for f in $(ours_in_tree "$base" -name '*.[ch]' | comm -12 - "$log.compiled"); do
		try "$1 $f" sparse_clean "$log" "$f"
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

# The same for the base kernel's own suites under ARCH=um, see um-kunit.config
suites_of_base() { # base
	local fmt
	[ "$1" != 6.12 ] || return 0
	for fmt in amdv1 vtdss x86_64 riscv_64; do
		echo "--suite ${fmt}_iommu_test --suite ${fmt}_fmt_test"
	done
	echo "--suite io-pgtable-arm-test"
}

um() { # seconds log image option...
	timeout --foreground -k 5 "$1" "$3" mem=512M kunit_shutdown=halt console=tty "${@:4}" \
		</dev/null >"$2" 2>&1 || true
}

stage_kunit_um() { # name, kernel configuration
	local log=$logs/$1.log list base=$BASE
	[[ $2 != *:* ]] || base=${2%%:*}
	list=$(suites iommu; suites_of_base "$base")
	um 600 "$log" "$(image "$2")"
	# shellcheck disable=SC2086 # a list
	count "$1" "$log" $list
}

# The races of generic_pt. Those of our own walkers run in a virtual machine, in less time
stage_kunit_um_smp() { # name, kernel configuration
	local log=$logs/$1.log
	um 600 "$log" "$(image "$2")" ncpus=2 seccomp=on kunit.filter_glob='*_iommu_test.*race*'
	# shellcheck disable=SC2046 # a list
	count "$1" "$log" $(printf ' --suite %s_iommu_test' amdv1 vtdss x86_64)
}

# Runs all suites on the debug kernel with two CPUs
stage_kunit_vm() {
	local log=$logs/kunit-vm.log list
	list=$(suites .)
	# the base kernel's own, see arm64-kunit.config
	[ "$arch" != arm64 ] || list+=" --suite arm-smmu-v3-kunit-test"
	vm "$log" --iommu "${default_modes%% *}" --kernel "$(image debug)" \
		--append "kunit.enable=1 loglevel=7" true
	# shellcheck disable=SC2086 # a list
	count kunit-vm "$log" $list
}
