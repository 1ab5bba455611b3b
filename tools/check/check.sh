#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the project's tests, two jobs at a time. Prints the results and the time of each
# job. The last line is "N passed, N failed, N skipped".
#
# Usage: [BASE=7.3 | KSRC=tree] check.sh [--arch x86_64|arm64|riscv64] [--long] [STAGE...]
#
#   static      checkpatch --strict, kernel-doc, shellcheck
#   sparse      sparse on those of our files that the debug kernel compiles
#   builds      the kernel builds with IOMMUFD=m, and with the trackers off
#   kunit-um    KUnit as a program (ARCH=um)
#   no-dirty-bits  the errors of trackers on an IOMMU without dirty bits; before that,
#               in the same machine, the KUnit tests that need two CPUs; on Linux 7.3 also
#               devices without an IOMMU
#   selftests   selftests/iommufd_dirty in virtual machines: all programs on the debug
#               kernel, with one mode of an emulated IOMMU and one of the software IOMMU;
#               those that depend on the page table format on the fast kernel, with the
#               other formats of the emulated IOMMUs
#   tools       the C library and iommu-dirty: tests without a kernel, under sanitizers
#   rust        the Rust crate: tests without a device, clippy, rustfmt
#   tools-vm    iommu-dirty migrates a device in a virtual machine and observes that
#   vmm         Debian's unmodified QEMU migrates a virtual machine with a device
#   upstream    the kernel's own iommufd selftest: every test that passes on the
#               unmodified kernel must pass on ours
#   base-7.3    the same on Linux 7.3, in part: sparse, KUnit, the selftests that depend on
#               the page table format with VT-d, AMD and a software IOMMU, and the short
#               cases of vmm
#
# These stages are the gate, which runs if no STAGE is given. On arm64 and riscv64 the gate
# has only the stages that depend on the architecture, and kunit-vm; riscv64 needs Linux
# 7.3, which is the default there, and has no stage vmm. --long adds or replaces:
#
#   kunit-vm    all KUnit suites in a virtual machine with the debug kernel
#   selftests   every program in every mode and format, on the debug kernel
#   torture     2,000 rounds of the torture test, a million calls of the fuzzer, on the
#               fast kernel
#   kasan       the selftests of the gate on a kernel with KASAN
#   kcsan       the selftests with threads, on a kernel with KCSAN and kmemleak
#   vmm         all combinations
#   upstream    on the debug kernel
#   tools-vm-base, upstream-base  tests on the unmodified kernel
#   analyse     other compilers and analysers
#   mutate      faults in the sources, each of which a test must detect
#   coverage    line and branch coverage of our code, as a table
#   packages    builds the Debian packages and the RPMs, and tries the former in a fresh
#               Debian
#
# STAGE is the name of any stage above. For selftests, kasan, kcsan and coverage, TESTS="a b"
# selects the programs, and MODES="a b" the IOMMU modes (of tools/vm/run.sh, or
# soft-FORMAT). MODES also applies to vmm. For mutate, TESTS selects the faults that these
# programs must detect.
# shellcheck disable=SC2034 # used by the other files in this folder
. "$(dirname "$0")/../setup/common.sh"

here=$repo/tools/check
overlay=$repo/tools/overlay
arch=x86_64 long=
while [ $# -gt 0 ]; do
	case $1 in
	--arch) arch=${2:?--arch needs a value}; shift ;;
	--long) long=1 ;;
	--*) die "unknown option $1, see the head of $0" ;;
	*) break ;;
	esac
	shift
done
use_arch "$arch"
# of KSRC, or as chosen
[ -z "${KSRC:-}" ] || BASE=$(nearest_base "$(tree_version "$KSRC")")
export BASE=${BASE:-6.12}
[ -d "$repo/tools/overlay/hooks/$BASE" ] || die "unknown base kernel $BASE, see tools/overlay/hooks"
logs=$cache/check
[ "$arch" = x86_64 ] || logs+=/$arch
soft="soft-vtd_ss soft-x86_64 soft-amd_v1 soft-arm_s1 soft-arm_s2 soft-riscv"
case $arch in
x86_64)
	gate="selftests tools-vm vmm upstream tools rust static sparse builds no-dirty-bits kunit-um"
	[ "$BASE" != 6.12 ] || [ -n "${KSRC:-}" ] || gate+=" base-7.3"
	more="kunit-vm torture kasan kcsan tools-vm-base upstream-base analyse mutate coverage packages"
	default_modes="vtd-ss soft-vtd_ss vtd-fs amd-v1 amd-v2"
	full_modes="vtd-ss soft-vtd_ss"
	hardware_modes="vtd-ss vtd-fs amd-v1 amd-v2 vtd-off"
	all_modes="vtd-ss vtd-fs vtd-off amd-v1 amd-v2 $soft"
	off=vtd-off
	;;
arm64)
	gate="selftests vmm sparse builds no-dirty-bits kunit-vm"
	more="kasan"
	default_modes="smmu-s1 smmu-s2 soft-arm_s1 soft-arm_s2"
	full_modes="smmu-s1 soft-arm_s1"
	hardware_modes="smmu-s1 smmu-s2"
	# the other formats of the software IOMMU run on x86_64
	all_modes="smmu-s1 smmu-s2 smmu-off soft-arm_s1 soft-arm_s2"
	off=smmu-off
	;;
riscv64)
	gate="selftests sparse builds no-dirty-bits kunit-vm"
	more="kasan"
	default_modes="riscv"
	full_modes="riscv"
	all_modes="riscv riscv-off soft-riscv"
	off=riscv-off
	;;
esac
selftests_dir=$cache/selftests/$arch
if [ "$BASE" != 6.12 ]; then
	logs+=/$BASE
	selftests_dir=$cache/selftests/$BASE-$arch
fi
stages=("$@")
# shellcheck disable=SC2206 # lists
[ $# -gt 0 ] || stages=($gate ${long:+$more})
for stage in "${stages[@]}"; do
	[[ " $gate $more " == *" $stage "* ]] || die "unknown stage $stage on $arch, known are: $gate $more"
done
# in other modes, a run without --long leaves out programs that do not depend on the format
[ -z "${MODES:-}${TESTS:-}" ] || full_modes=$all_modes
gate_modes=$default_modes gate_full=$full_modes
# the format changes no locks: for the other modes, the gate uses the faster kernel
fast_modes=
if [ -n "$long" ]; then
	default_modes=$all_modes
	full_modes=$all_modes
elif [ -z "${MODES:-}${TESTS:-}" ]; then
	for mode in $default_modes; do
		[[ " $full_modes " == *" $mode "* ]] || fast_modes+=" $mode"
	done
	default_modes=$full_modes
fi

mkdir -p "$logs"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'jobs_stop; exit 130' INT TERM

for file in pool lib overlay static kernel selftests upstream tools rust vmm base analyse mutate coverage packages; do
	# shellcheck disable=SC1090 # files in this folder
	[ ! -f "$here/$file.sh" ] || . "$here/$file.sh"
done
check_names
# two concurrent runs would build and test in the same folders
lock_cache check

# The jobs of each stage. A stage with a single job is the function stage_NAME
for stage in "${stages[@]}"; do
	if [ -n "$long" ] || [[ " $more " == *" $stage "* ]]; then
		job_limit=36000
	fi
	case $stage in
	selftests)
		jobs_selftests selftests "${MODES:-$default_modes}" "${TESTS:-$(known_tests)}" debug
		[ -z "$fast_modes" ] || jobs_selftests selftests "$fast_modes" "$(known_tests)" fast
		;;
	kasan)
		full_modes=$gate_full jobs_selftests kasan "${MODES:-$gate_modes}" \
			"${TESTS:-$(known_tests)}" kasan
		;;
	kcsan)
		# programs with threads; soft devices are kernel threads, emulated devices are not
		jobs_selftests kcsan "${MODES:-soft-vtd_ss vtd-ss}" \
			"${TESTS:-torture together soft_unmap soft_ranges concurrent parallel races unmap trackers access fuzz}" kcsan
		;;
	torture)
		# on the debug kernel, which runs fewer rounds in the gate, it would take hours
		jobs_selftests long "soft-vtd_ss vtd-ss" "torture fuzz" fast \
			TORTURE_ROUNDS=2000 FUZZ_CALLS=1000000 LIMIT=6000
		;;
	no-dirty-bits)
		needs_selftests debug
		job "no-dirty-bits" "build-debug build-qemu build-selftests" \
			stage_no_dirty_bits "no-dirty-bits-$off" "$off"
		[ "$arch" != x86_64 ] ||
			job "no-dirty-bits-amd" "build-debug build-qemu build-selftests" \
				selftests_mode no-dirty-bits-amd amd-off "nohw coherent" debug
		[ "$BASE" = 6.12 ] || job_no_iommu no-iommu debug
		;;
	builds)
		needs_kernel module off
		job builds "build-module build-off" stage_builds
		;;
	kunit-um)
		needs_kernel um
		job kunit-um build-um stage_kunit_um kunit-um um
		;;
	kunit-vm)
		needs_kernel debug
		needs_qemu
		job kunit-vm "build-debug build-qemu" stage_kunit_vm
		;;
	sparse)
		needs_kernel debug
		job sparse build-debug stage_sparse sparse debug
		;;
	static) job static "" stage_static ;;
	tools) job tools "" stage_tools ;;
	rust) job rust "" stage_rust ;;
	packages) job packages "" stage_packages ;;
	vmm)
		if [ -n "$long" ]; then
			jobs_vmm all "${MODES:-$all_modes}"
		else
			jobs_vmm gate "${MODES:-$hardware_modes}"
		fi
		;;
	*) "jobs_${stage//[-.]/_}" ;;
	esac
done
jobs_run
