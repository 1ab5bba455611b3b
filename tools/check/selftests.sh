# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages that run selftests/iommufd_dirty in virtual machines: a job, and a machine,
# for each IOMMU mode. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

# What a program tests has nothing to do with the format of the page tables: errors,
# locks, devices' own logs. In the gate they run in one mode of hardware and in one of
# the software IOMMU; check-long runs every program in every mode.
any_format="errors states faults concurrent races access last_page vfio_type1 nvme fail_nth
	user_faults fuzz list edu_* device* progression"

# Does it run there? nohw is for IOMMUs without dirty bits, alone; nvme for machines
# that have an NVMe controller, edu_* and others for PCI devices
fits() { # mode program
	case $1:$2 in
	*-off:nohw | soft-*:soft* | amd-*:coherent) ;;
	*-off:* | *:nohw | *:soft*) return 1 ;;
	amd-v1:giant) ;;
	*:giant | *:coherent) return 1 ;;
	vtd-*:nvme | amd-*:nvme) ;;
	*:nvme | soft-*:edu_* | soft-*:device* | soft-*:progression) return 1 ;;
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

# What TESTS and MODES name must be there
check_names() {
	local name known
	known=" $(known_tests | xargs) "
	for name in ${TESTS:-}; do
		[[ $known == *" $name "* ]] || die "TESTS: no program $name: there are$known"
	done
	for name in ${MODES:-}; do
		[[ " $all_modes " == *" $name "* ]] || die "MODES: no mode $name on $arch: there are $all_modes"
	done
}

build_selftests() {
	"$repo/tools/setup/setup.sh" check
	logged "$logs/selftests-build.log" "$overlay/selftests.sh" --arch "$arch" "$cache/selftests/$arch"
	[ -f "$cache/selftests/disk.img" ] || head -c 8M /dev/urandom >"$cache/selftests/disk.img"
}

# A machine of a mode, with the options that all modes share
selftests_vm() { # log mode programs kernel [option of run.sh...]
	local log=$1 mode=$2 tests=$3 image=$4 t disk=$cache/selftests/disk.img
	local run="DIRTY_FORMAT=$mode guest-run $tests" machine options memory=2G
	# the last one's transfers last, for those tests that look at one in flight; and a
	# device of the software IOMMU, which can be made one that cannot be tracked
	local edu=(--edu 4 --dma-delay "0,0,0,100000" --append iommu_dirty_soft.devices=1)
	case $mode in
	soft-*)
		machine=(--arch "$arch" --iommu none --edu 0 --append iommu_dirty_soft.devices=3)
		run="DIRTY_DEVICES=$mode $run"
		;;
	vtd-* | amd-*) machine=(--iommu "$mode" "${edu[@]}" --nvme "$disk" --drive "$disk") ;;
	*) machine=(--iommu "$mode" "${edu[@]}") ;;
	esac
	# two pages of 1 GiB, which are neighbours in a machine of that size
	if [[ " $tests " == *" giant "* ]]; then
		machine+=(--append "hugepagesz=1G hugepages=2")
		memory=5G
	fi
	[[ -z ${FUZZ_CALLS:-} && $mode != soft-* ]] || run="FUZZ_CALLS=${FUZZ_CALLS:-20000} $run"
	[ -z "${TORTURE_ROUNDS:-}" ] || run="TORTURE_ROUNDS=$TORTURE_ROUNDS $run"
	[ -z "${LIMIT:-}" ] || run="LIMIT=$LIMIT $run"
	options=(--kernel "$image" --mem "$memory" --add "$here/guest-run")
	for t in $tests; do
		options+=(--add "$cache/selftests/$arch/install/iommufd_dirty/$t")
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

# A job for each mode that has a program to run; what takes longest comes first
jobs_selftests() { # prefix, modes, programs, kernel configuration, VARIABLE=VALUE...
	local prefix=$1 modes=$2 programs=$3 config=$4 mode t found=''
	shift 4
	needs_selftests "$config"
	for mode in $modes; do
		# shellcheck disable=SC2086 # a list
		t=$(tests_for "$mode" $programs)
		[ -n "$t" ] || continue
		found=1
		job "$prefix-$mode" "build-$config build-qemu build-selftests" \
			with "$@" selftests_mode "$prefix-$mode" "$mode" "$t" "$config"
	done
	[ -n "$found" ] || die "none of the programs runs in any of the modes $modes: $programs"
}

# In the machine without dirty bits there is time for KUnit before, of what UML cannot
# do. And an odd end of the command: no newline, and a code of its own
stage_no_dirty_bits() { # name mode
	local log=$logs/$1.log
	vm "$log" --iommu "$2" --edu 1 --kernel "$(image debug)" --mem 1G --add "$here/guest-run" \
		--add "$cache/selftests/$arch/install/iommufd_dirty/nohw" \
		--append "kunit.enable=1 kunit.filter_glob=*_race* loglevel=7" \
		"guest-run nohw; printf 'no newline'; exit 77"
	try "run.sh: the command's code, and no newline before it" [ "$vm_code" -eq 77 ]
	count "$1" "$log" --suite iommu_dirty_walk_race
}
