# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages that run selftests/iommufd_dirty in virtual machines: one job with one
# machine for each IOMMU mode. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

# Programs that do not depend on the page table format: they test errors, locks, the DMA
# logs of devices. The gate runs them in one mode of an emulated IOMMU and in one of the
# software IOMMU. check-long runs every program in every mode.
any_format="errors states faults concurrent parallel races access ledger last_page vfio_type1
	nvme igb fail_nth user_faults pinning fuzz list file passive edu_* device* shared
	progression"

# Succeeds if the program runs in the mode. nohw runs only on IOMMUs without dirty bits,
# noiommu only without an IOMMU, both in the stage no-dirty-bits;
# nvme needs an NVMe controller, igb a network card; edu_*, window, device*, shared,
# progression and dmabuf_vfio need PCI devices
fits() { # mode program
	case $1:$2 in
	*-off:nohw | soft-*:soft* | amd-*:coherent) ;;
	*-off:* | *:nohw | *:noiommu | *:soft*) return 1 ;;
	amd-v1:giant) ;;
	*:giant | *:coherent) return 1 ;;
	vtd-*:nvme | amd-*:nvme | vtd-*:igb | amd-*:igb) ;;
	*:nvme | *:igb | soft-*:edu_* | soft-*:device* | soft-*:progression) return 1 ;;
	soft-*:window | soft-*:shared | soft-*:dmabuf_vfio) return 1 ;;
	esac
	# What came after Linux 6.12: users attach PASIDs, and map dma-bufs
	case ${tests_base:-$BASE}:$2 in
	6.12:soft_pasid | 6.12:dmabuf*) return 1 ;;
	esac
}

tests_for() { # mode program...
	local mode=$1 t pattern
	for t in "${@:2}"; do
		fits "$mode" "$t" || continue
		case " $full_modes " in
		*" $mode "*) ;;
		*)
			for pattern in $any_format; do
				# shellcheck disable=SC2254 # a pattern
				case $t in $pattern) continue 2 ;; esac
			done
			;;
		esac
		echo "$t"
	done | xargs
}

known_tests() { make -s --no-print-directory -C "$repo/selftests/iommufd_dirty" list; }

# TESTS and MODES must name known programs and modes
check_names() {
	local name known
	known=" $(known_tests | xargs) "
	for name in ${TESTS:-}; do
		[[ $known == *" $name "* ]] || die "TESTS: unknown program $name, known are:$known"
	done
	for name in ${MODES:-}; do
		[[ " $all_modes " == *" $name "* ]] || die "MODES: unknown mode $name on $arch, known are: $all_modes"
	done
}

build_selftests() {
	"$repo/tools/setup/setup.sh" check
	logged "$logs/selftests-build.log" "$overlay/selftests.sh" --arch "$arch" "$selftests_dir"
	[ -f "$cache/selftests/disk.img" ] || head -c 8M /dev/urandom >"$cache/selftests/disk.img"
}

# Runs programs in a machine with the given IOMMU mode and the common options
selftests_vm() { # log mode programs kernel [option of run.sh...]
	local log=$1 mode=$2 tests=$3 image=$4 t disk=$cache/selftests/disk.img
	local run="DIRTY_FORMAT=$mode guest-run $tests" machine options memory=2G
	# the last edu device has slow transfers, for tests that need one in flight; tests can
	# make the device of the software IOMMU untrackable
	local edu=(--edu 4 --dma-delay "0,0,0,100000" --append iommu_dirty_soft.devices=1)
	case $mode in
	soft-*)
		machine=(--arch "$arch" --iommu none --edu 0 --append iommu_dirty_soft.devices=3)
		run="DIRTY_DEVICES=$mode $run"
		;;
	none)
		machine=(--arch "$arch" --iommu none --edu 1 --append vfio.enable_unsafe_noiommu_mode=1)
		# VFIO sets this flag (TAINT_USER) for such a device
		run="echo 64 >/proc/sys/kernel/tainted; $run"
		;;
	vtd-* | amd-*) machine=(--iommu "$mode" "${edu[@]}" --nvme "$disk" --drive "$disk" --igb 1) ;;
	*) machine=(--iommu "$mode" "${edu[@]}") ;;
	esac
	# two 1 GiB pages, which are contiguous in a machine of this size
	if [[ " $tests " == *" giant "* ]]; then
		machine+=(--append "hugepagesz=1G hugepages=2")
		memory=5G
	fi
	[[ -z ${FUZZ_CALLS:-} && $mode != soft-* ]] || run="FUZZ_CALLS=${FUZZ_CALLS:-20000} $run"
	[ -z "${TORTURE_ROUNDS:-}" ] || run="TORTURE_ROUNDS=$TORTURE_ROUNDS $run"
	[ -z "${LIMIT:-}" ] || run="LIMIT=$LIMIT $run"
	options=(--kernel "$image" --mem "$memory" --add "$here/guest-run")
	for t in $tests; do
		options+=(--add "$selftests_dir/install/iommufd_dirty/$t")
	done
	vm "$log" "${machine[@]}" "${options[@]}" "${@:5}" "$run"
}

selftests_mode() { # name of the results, mode, programs, kernel configuration
	local log=$logs/$1.log
	selftests_vm "$log" "$2" "$3" "$(image "$4")"
	count "$1" "$log"
}

needs_selftests() { # kernel configuration
	needs_kernel "$1"
	needs_qemu
	job build-selftests "build-$1" build_selftests
}

# Adds a job for each mode that has a program to run; the slowest modes come first
jobs_selftests() { # prefix, modes, programs, kernel configuration, VARIABLE=VALUE...
	local prefix=$1 modes=$2 programs=$3 config=$4 mode t found='' tests_base=$BASE
	shift 4
	needs_selftests "$config"
	[[ $config != *:* ]] || tests_base=${config%%:*}
	for mode in $modes; do
		# shellcheck disable=SC2086 # a list
		t=$(tests_for "$mode" $programs)
		[ -n "$t" ] || continue
		found=1
		job "$prefix-$mode" "build-$config build-qemu build-selftests" \
			with "$@" selftests_mode "$prefix-$mode" "$mode" "$t" "$config"
	done
	[ -n "$found" ] || die "no program runs in the modes $modes: $programs"
}

# Linux 7.3 lets users have devices without an IOMMU
job_no_iommu() { # name, kernel configuration
	job "$1" "build-$2 build-qemu build-selftests" selftests_mode "$1" none noiommu "$2"
}

# The machine without dirty bits first runs the KUnit tests that UML cannot run. To test
# run.sh, the command ends without a newline and with an unusual exit code
stage_no_dirty_bits() { # name mode
	local log=$logs/$1.log
	vm "$log" --iommu "$2" --edu 1 --kernel "$(image debug)" --mem 1G --add "$here/guest-run" \
		--add "$selftests_dir/install/iommufd_dirty/nohw" \
		--append "kunit.enable=1 kunit.filter_glob=*_race* loglevel=7" \
		"guest-run nohw; printf 'no newline'; exit 77"
	try "run.sh: exit code of a command without a final newline" [ "$vm_code" -eq 77 ]
	count "$1" "$log" --suite iommu_dirty_walk_race --suite iommu_dirty_split_race \
		--suite iommufd_dirty_ledger_race
}
