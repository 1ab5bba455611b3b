# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "base-7.3" of the gate: a part of the tests on the other base kernel.
# check.sh with BASE=7.3 runs all of them. Sourced by check.sh.
# shellcheck disable=SC2154,SC2034 # variables of check.sh; tests_for reads full_modes

base_skipped() { # name
	cat "$work/$1.why"
	skipped "$1" "$(tail -n 1 "$work/$1.why")"
}

# Returns 1 if the archive has no Linux 7.3; the job then says so
has_7_3() { # job
	local rc=0
	"$repo/tools/setup/kernel.sh" 7.3 >/dev/null 2>"$work/$1.why" || rc=$?
	case $rc in
	0) ;;
	4)
		job "$1" "" base_skipped "$1"
		return 1
		;;
	*)
		cat "$work/$1.why" >&2
		die "kernel.sh 7.3 ended with code $rc"
		;;
	esac
}

jobs_base_7_3() {
	# without the programs that do not depend on the page table format
	local full_modes=''
	has_7_3 base-7.3 || return 0
	needs_kernel 7.3:debug 7.3:um
	jobs_selftests selftests-7.3 "vtd-ss soft-vtd_ss amd-v1" "$(known_tests)" 7.3:debug
	job_no_iommu no-iommu-7.3 7.3:debug
	job build-vmm "" build_vmm
	job build-tools-vm build-7.3:debug tools_vm_programs
	job vmm-7.3-vtd-ss "build-7.3:debug build-qemu build-vmm build-tools-vm" vmm_mode vmm-7.3-vtd-ss vtd-ss \
		"$(vmm_each 10: "$vmm_ways")$(vmm_each 11: "$vmm_ways")" 7.3:debug
	job sparse-7.3 build-7.3:debug stage_sparse sparse-7.3 7.3:debug
	job kunit-um-7.3 build-7.3:um stage_kunit_um kunit-um-7.3 7.3:um
	[ -n "$long" ] || return 0
	needs_kernel 7.3:um-smp
	job kunit-um-smp-7.3 build-7.3:um-smp stage_kunit_um_smp kunit-um-smp-7.3 7.3:um-smp
}
