# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "mutate": puts faults into our sources, one at a time, and runs the test
# that must notice. A fault that it does not notice is a failure. Sourced by check.sh.
#
# All of it happens in copies: of the sources, and of the kernel tree, as links. There
# are two of them, one for what is tried without a virtual machine and one for the rest,
# so that both go on at once. Each test has to pass before the faults, or else its
# failing would say nothing.
# shellcheck disable=SC2154,SC2034 # variables of check.sh; may_die, of vm

jobs_mutate() {
	needs_kernel tree
	needs_qemu
	job build-selftests build-tree build_selftests
	job mutate-vm "build-tree build-qemu build-selftests" stage_mutate vm
	job mutate-native build-tree stage_mutate native
}

# Sets dir, src and linux, and fills them
mutate_copies() { # native|vm
	local tree
	tree=$(image tree)
	dir=$cache/mutate/$1 src=$cache/mutate/$1/src linux=$cache/mutate/$1/${tree##*/}
	mkdir -p "$src"
	rsync -rlpc --delete "$repo"/{drivers,include,tools,selftests} "$src/"
	[ -d "$linux" ] || { cp -al "$tree" "$linux.new" && mv "$linux.new" "$linux"; }
}

# The kernel, or a test of the library, of the copy; sets image if it is a kernel
mutate_build() { # where test
	case $1 in
	um | vm*)
		local config=um
		[ "$1" = um ] || config=cov
		image=$(KSRC=$linux LOG_TAIL=5 "$src/tools/overlay/build.sh" "$config")
		;;
	lib)
		logged "$dir/lib.log" make -C "$src/tools/lib" -j "$jobs" OUT="$dir/lib" KSRC="$linux" \
			"$dir/lib/test-$2"
		;;
	*) echo "no place $1 to run a test"; return 1 ;;
	esac
}

# Does it pass? 1 if it fails, 2 if there is no such test, 4 if anything else went wrong:
# the guest did not boot, say, or another test of the program has failed
mutate_test() { # where test log
	local where=$1 test=$2 log=$3 out good bad name
	case $where in
	lib)
		[ -x "$dir/lib/test-$test" ] || return 2
		timeout --foreground -k 5 100 "$dir/lib/test-$test" >"$log" 2>&1 && return
		grep -q '^not ok - ' "$log" || return 4
		return 1
		;;
	um)
		timeout --foreground -k 5 60 "$image" mem=512M kunit_shutdown=halt console=tty \
			kunit.filter_glob="$test" </dev/null >"$log" 2>&1 || true
		;;
	"vm kunit")
		vm "$log" --iommu none --edu 0 --kernel "$image" \
			--append "kunit.enable=1 kunit.filter_glob=$test loglevel=7" true
		;;
	vm*)
		# all of the program: it takes little longer than to boot
		selftests_vm "$log" "${where#vm }" "${test%%[.!]*}" "$image"
		;;
	esac
	out=$("$here/results.py" --name mutate "$log") || return 4
	read -r good bad _ <<<"${out##*$'\n'}"
	if [ "$bad" -ne 0 ]; then
		case $where:$test in
		*!) name="dmesg after ${test%!}" ;;
		um:* | "vm kunit:"*) name="kunit: ${test/./: }(: .*)?" ;;
		*) name="${test%%.*}: ${test/./\\.(.*\\.)?}" ;;
		esac
		grep -qE "^not ok - $name$" <<<"$out" && return 1
		# for the log
		echo "$out"
		return 4
	fi
	# more than the messages of the kernel
	grep -qE '^ *(\[[ 0-9.]+\] *)?ok ' "$log" && [ "$good" -gt 0 ] || return 2
}

# One by one; in the middle of the night a survivor's log is what one wants to have
stage_mutate() { # native|vm
	local lane=$1 dir src linux image number where test text rc log begin may_die=1
	mutate_copies "$lane"
	while IFS=$'\t' read -r number where test text; do
		case $lane:$where in
		vm:vm* | native:um | native:lib) echo "$number	$where	$test	$text" ;;
		esac
	done < <("$here/mutations.py" list) >"$work/mutate-$lane"
	while IFS=$'\t' read -r where test; do
		rc=0
		mutate_build "$where" "$test"
		mutate_test "$where" "$test" "$dir/${where// /-}-$test.log" || rc=$?
		if [ "$rc" -ne 0 ]; then
			failed "mutate: without a fault $where $test must pass (code $rc)"
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
		4) failed "mutate: not by $where $test, but something else has failed: $text" ;;
		2) failed "mutate: no test $where $test: $text" ;;
		*) failed "mutate: does not build: $text" ;;
		esac
	done <"$work/mutate-$lane"
}
