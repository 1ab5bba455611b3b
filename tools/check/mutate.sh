# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "mutate": injects faults into our sources, one at a time, and runs the test
# that must detect it. An undetected fault is a failure. Sourced by check.sh.
#
# The stage works on copies of the sources and of the kernel tree (hard links). There are
# three copies, for the tests without a virtual machine, for those of Linux 7.3 among them,
# and for the others, so that all run in parallel. Each test must pass without a fault
# first, or its failure would prove nothing.
# shellcheck disable=SC2154,SC2034 # variables of check.sh; may_die is for vm

jobs_mutate() {
	needs_kernel tree
	needs_qemu
	job build-selftests build-tree build_selftests
	job mutate-vm "build-tree build-qemu build-selftests" stage_mutate vm
	# programs of selftests, which run in a virtual machine
	[ -z "${TESTS:-}" ] || return 0
	job mutate-native build-tree stage_mutate native
	has_7_3 mutate-7.3 || return 0
	needs_kernel 7.3:tree
	job mutate-7.3 build-7.3:tree stage_mutate 7.3
}

# Creates the copies; sets dir, src and linux
mutate_copies() { # native|7.3|vm
	local tree=tree
	[ "$1" != 7.3 ] || tree=7.3:tree
	tree=$(image "$tree")
	dir=$cache/mutate/$1 src=$cache/mutate/$1/src linux=$cache/mutate/$1/${tree##*/}
	mkdir -p "$src"
	rsync -rlpc --delete "$repo"/{drivers,include,tools,selftests} "$src/"
	[ -d "$linux" ] || { cp -al "$tree" "$linux.new" && mv "$linux.new" "$linux"; }
}

# Builds the kernel or a library test from the copy; sets image for a kernel
mutate_build() { # where test
	case $1 in
	um* | vm*)
		local config=cov
		case $1 in
		um) config=um ;;
		um-7.3) config=um-smp ;;
		esac
		image=$(KSRC=$linux LOG_TAIL=5 "$src/tools/overlay/build.sh" "$config")
		;;
	lib)
		logged "$dir/lib.log" make -C "$src/tools/lib" -j "$jobs" OUT="$dir/lib" \
			"$dir/lib/test-$2"
		;;
	*) echo "unknown place $1 to run a test"; return 1 ;;
	esac
}

# Runs a test. Returns 1 if it fails, 2 if it does not exist, 4 if anything else went
# wrong: the guest did not boot, or another test of the program failed
mutate_test() { # where test log
	local where=$1 test=$2 log=$3 out good bad name
	case $where in
	lib)
		[ -x "$dir/lib/test-$test" ] || return 2
		timeout --foreground -k 5 100 "$dir/lib/test-$test" >"$log" 2>&1 && return
		grep -q '^not ok - ' "$log" || return 4
		return 1
		;;
	um) um 60 "$log" "$image" kunit.filter_glob="$test" ;;
	um-7.3) um 200 "$log" "$image" ncpus=2 seccomp=on kunit.filter_glob="$test" ;;
	"vm kunit")
		vm "$log" --iommu none --edu 0 --kernel "$image" \
			--append "kunit.enable=1 kunit.filter_glob=$test loglevel=7" true
		;;
	vm*)
		# run the whole program: most of the time goes into the boot
		selftests_vm "$log" "${where#vm }" "${test%%[.!]*}" "$image"
		;;
	esac
	out=$("$here/results.py" --name mutate "$log") || return 4
	read -r good bad _ <<<"${out##*$'\n'}"
	if [ "$bad" -ne 0 ]; then
		case $where:$test in
		*!) name="dmesg after ${test%!}" ;;
		um*:* | "vm kunit:"*) name="kunit: ${test/./: }(: .*)?" ;;
		*) name="${test%%.*}: ${test/./\\.(.*\\.)?}" ;;
		esac
		grep -qE "^not ok - $name$" <<<"$out" && return 1
		# this goes into the log
		echo "$out"
		return 4
	fi
	# a test of the program must have passed, not only the dmesg check
	grep -qE '^ *(\[[ 0-9.]+\] *)?ok ' "$log" && [ "$good" -gt 0 ] || return 2
}

# Tries the faults one by one. Each has a log, to analyse a surviving fault
stage_mutate() { # native|7.3|vm
	local lane=$1 dir src linux image number where test text rc log begin may_die=1
	mutate_copies "$lane"
	while IFS=$'\t' read -r number where test text; do
		case $lane:$where in
		vm:vm* | native:um | native:lib | 7.3:um-7.3)
			[[ -n ${TESTS:-} && " $TESTS " != *" ${test%%[.!]*} "* ]] ||
				echo "$number	$where	$test	$text"
			;;
		esac
	done < <("$here/mutations.py" list) >"$work/mutate-$lane"
	while IFS=$'\t' read -r where test; do
		rc=0
		mutate_build "$where" "$test"
		mutate_test "$where" "$test" "$dir/${where// /-}-$test.log" || rc=$?
		if [ "$rc" -ne 0 ]; then
			failed "mutate: $where $test does not pass without a fault (code $rc)"
		fi
	done < <(cut -f 2,3 "$work/mutate-$lane" | sort -u)
	while IFS=$'\t' read -r number where test text; do
		log=$dir/$number.log begin=$SECONDS
		rc=0
		if ! "$src/tools/check/mutations.py" put "$number" "$src"; then
			failed "mutate: does not apply: $text"
			continue
		fi
		if mutate_build "$where" "$test" >"$log" 2>&1; then
			mutate_test "$where" "$test" "$log" || rc=$?
		else
			rc=3
		fi
		"$src/tools/check/mutations.py" back "$number" "$src"
		case $rc in
		0) failed "mutate: survived $where $test: $text" ;;
		1)
			printf 'killed by %-40s %4d s  %s\n' "$where $test" $((SECONDS - begin)) "$text"
			passed "mutate: $text"
			;;
		4) failed "mutate: not detected by $where $test, but something else failed: $text" ;;
		2) failed "mutate: no test $where $test: $text" ;;
		*) failed "mutate: does not build: $text" ;;
		esac
	done <"$work/mutate-$lane"
}
