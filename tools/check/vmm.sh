# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "vmm": in a virtual machine, Debian's unmodified QEMU and one with our patches
# live-migrate inner machines with VFIO devices. One job with one machine for each IOMMU
# mode. The cases are described in tools/vmm/guest/vmm-migrate.c. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

vmm_ways="iommufd:device iommufd:iommu legacy:device legacy:iommu"

# Prints each word of a list with a prefix and a suffix
vmm_each() { # prefix list [suffix]
	local word
	for word in $2; do
		printf '%s ' "$1$word${3-}"
	done
}

# What QEMU does if the IOMMU has no dirty bits
vmm_off="iommufd:iommu:untracked legacy:iommu:all"

# The patched QEMU. Nothing is lost if the IOMMU has no dirty bits, or remaps
vmm_patched() { # gate|all mode
	local what observed=':observed :signals'
	[ "$arch" = x86_64 ] || return 0
	case $2 in
	*-off)
		vmm_each patched: "iommufd:iommu:all iommufd:iommu:hwpt:all legacy:iommu:all"
		return
		;;
	esac
	vmm_each patched: "$vmm_ways"
	case $1:$2 in
	gate:vtd-ss)
		vmm_each patched:iommufd: "iommu:two:cancel:back iommu:mixed iommu:hotplug \
			device:tracker iommu:static iommu:remap"
		echo patched:legacy:iommu:remap
		;;
	all:*)
		for what in :two :slow :cancel :back :two:cancel:back $observed; do
			vmm_each patched: "$vmm_ways" "$what"
		done
		for what in :static :static:cancel:back :remap :two:remap; do
			vmm_each patched: "iommufd:iommu legacy:iommu" "$what"
		done
		vmm_each patched:iommufd: "iommu:mixed iommu:hotplug iommu:rate iommu:hwpt \
			device:tracker iommu:hwpt:static iommu:hwpt:remap iommu:mixed:remap iommu:observed:remap"
		;;
	esac
}

# The gate: some cases of each kind, but all ways
vmm_gate() { # mode
	case $1 in
	*-off) vmm_each 10: "$vmm_off" ;;
	vtd-ss)
		vmm_each 10: "$vmm_ways"
		vmm_each 11: "$vmm_ways"
		echo 10:iommufd:iommu:two 11:legacy:device:two 10:iommufd:iommu:slow \
			11:iommufd:iommu:cancel 10:legacy:iommu:back \
			11:iommufd:iommu:static 11:legacy:iommu:remap \
			11:iommufd:iommu:observed 10:legacy:device:observed \
			10:iommufd:iommu:signals
		;;
	*) vmm_each 10: "$vmm_ways" ;;
	esac
	vmm_patched gate "$1"
}

# check-long: all combinations
vmm_all() { # mode
	local qemu what observed=':observed :signals'
	# iommu-dirty is not built for arm64
	[ "$arch" = x86_64 ] || observed=''
	for qemu in 10: 11:; do
		case $1 in
		*-off) vmm_each "$qemu" "$vmm_off" ;;
		*)
			for what in '' :two :slow :cancel :back :two:cancel:back $observed; do
				vmm_each "$qemu" "$vmm_ways" "$what"
			done
			;;
		esac
	done
	case $1 in
	vtd-?s | amd-*)
		for what in :static :static:cancel:back :remap; do
			vmm_each 11: "iommufd:iommu legacy:iommu" "$what"
		done
		;;
	esac
	vmm_patched all "$1"
}

# Cases on the debug kernel, which is slower: "unflushed", because only this kernel can
# leave out the IOTLB flush, and some for the checks of this kernel
vmm_debug() { # gate|all mode
	case $1:$2 in
	*:*-off) ;;
	all:*)
		vmm_each 10: "$vmm_ways"
		vmm_each 11: "$vmm_ways" :two:cancel:back
		echo 10:legacy:iommu:unflushed
		;;
	gate:vtd-ss) echo 10:legacy:iommu:unflushed ;;
	gate:smmu-s1) echo 10:legacy:iommu:unflushed 10:iommufd:device 10:iommufd:iommu ;;
	esac
}

# Tests gather.sh with a proxy that does not exist
vmm_unanswered() { # cached version, or nothing; expected exit code and output
	local dir rc=0 out
	dir=$(mktemp -d)
	if [ -n "$1" ]; then
		mkdir -p "$dir/vmm/$arch/11/$1"
		: >"$dir/vmm/$arch/11/$1/ld.so"
	fi
	out=$(http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 IOMMUFD_DIRTY_CACHE=$dir \
		"$repo/tools/vmm/gather.sh" 11 "$arch" 2>&1) || rc=$?
	rm -rf "$dir"
	echo "exit code $rc: $out"
	# shellcheck disable=SC2254 # a pattern
	case "$rc $out" in $2) ;; *) return 1 ;; esac
}

# Writes a file with the folder of a QEMU, or one with the reason why it is missing
vmm_have() { # name of the QEMU, command...
	local qemu=$1 rc=0
	shift
	"$@" >"$work/vmm-$qemu" 2>"$logs/vmm-gather-$qemu.log" || rc=$?
	cat "$logs/vmm-gather-$qemu.log"
	case $rc in
	0) ;;
	4)
		tail -n 1 "$logs/vmm-gather-$qemu.log" >"$work/vmm-$qemu.none"
		rm "$work/vmm-$qemu"
		;;
	*) return "$rc" ;;
	esac
}

build_vmm() {
	local qemu
	"$repo/tools/setup/setup.sh" vmm
	[ "$arch" != arm64 ] || "$repo/tools/setup/setup.sh" arm64
	# -B takes only a second, and time stamps of another checkout cannot mislead make
	logged "$logs/vmm-build.log" make -B -C "$repo/tools/vmm" OUT="$cache/vmm/$arch/out" \
		CROSS_COMPILE="$cross"
	for qemu in 10 11; do
		vmm_have "$qemu" "$repo/tools/vmm/gather.sh" "$qemu" "$arch"
	done
	if [ "$arch" = x86_64 ]; then
		vmm_have patched "$repo/tools/vmm/qemu/build.sh"
		# without the source there is nothing to apply the patches to
		[ ! -f "$work/vmm-patched" ] ||
			try "vmm: git am and checkpatch.pl of QEMU's patches" \
				"$repo/tools/vmm/qemu/check.sh"
	fi
	try "vmm: no archive, but a cached QEMU" vmm_unanswered "11.0.9+ds-1" \
		"0 *the archive does not answer*11.0.9+ds-1 is used*/11.0.9+ds-1"
	try "vmm: no archive, no cached QEMU" vmm_unanswered "" \
		"4 *no qemu-system-*the archive does not answer*"
}

vmm_mode() { # name of the results, mode, cases, kernel configuration
	local name=$1 mode=$2 config=$4 log=$logs/$1.log c qemu folder cases=() add=()
	declare -A folders=()
	for c in $3; do
		qemu=${c%%:*}
		if [ ! -f "$work/vmm-$qemu" ]; then
			cat "$work/vmm-$qemu.none"
			skipped "$name" "$c: QEMU $qemu is not to be had"
			continue
		fi
		folder=$(cat "$work/vmm-$qemu")
		case ${folder##*/}:$c in
		1[1-9].* | *:patched:*) ;;
		*:static* | *:remap)
			skipped "$name" "$c: QEMU ${folder##*/} cannot migrate with a vIOMMU"
			continue
			;;
		esac
		cases+=("$c")
		folders[$qemu]=$folder
	done
	[ ${#cases[@]} -gt 0 ] || return 0
	for qemu in "${!folders[@]}"; do
		add+=(--add "${folders[$qemu]}:q$qemu")
	done
	for c in inner vmm-migrate; do
		add+=(--add "$cache/vmm/$arch/out/$c")
	done
	[ "$arch" != x86_64 ] || add+=(--add "$cache/tools/iommu-static/iommu-dirty")
	# With a container, QEMU gets the page table that attaching the device makes
	case $mode in
	amd-v2 | smmu-s?) add+=(--append iommufd.dirty_trackable=1) ;;
	esac
	local LIMIT=$((180 + 60 * ${#cases[@]}))
	# two devices for each side, and one with slow transfers for each
	vm "$log" --kernel "$(image "$config")" --iommu "$mode" --mem 2G --edu 6 \
		--dma-delay 0,0,0,0,700 "${add[@]}" --add "$here/guest-run" \
		"bind-vfio edu_vfio_pci >/dev/null; LIMIT=$LIMIT guest-run 'vmm-migrate $mode ${cases[*]}'"
	count "$name" "$log"
	# show the result of each case
	grep -aE '^(not )?ok |^# [^ ]* (took|needed)' "$log" | tr -d '\r' | sed 's/^/    /'
}

# Adds a job for each mode, after one on the debug kernel, which takes longest
jobs_vmm() { # gate|all modes
	local mode cases found='' tool=''
	needs_qemu
	job build-vmm "" build_vmm
	if [ "$arch" = x86_64 ]; then
		tool=build-tools-vm
		needs_kernel debug
		job "$tool" build-debug tools_vm_programs
	fi
	for mode in $2; do
		[[ $mode != soft-* ]] || continue
		found=1
		cases=$(vmm_debug "$1" "$mode")
		if [ -n "$cases" ]; then
			needs_kernel debug
			job "vmm-debug-$mode" "build-debug build-qemu build-vmm $tool" \
				vmm_mode "vmm-debug-$mode" "$mode" "${cases//$'\n'/ }" debug
		fi
		cases=$("vmm_$1" "$mode")
		needs_kernel fast
		job "vmm-$mode" "build-fast build-qemu build-vmm $tool" \
			vmm_mode "vmm-$mode" "$mode" "${cases//$'\n'/ }" fast
	done
	[ -n "$found" ] || die "stage vmm has no case for the modes $2"
}
