# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "coverage": measures which lines and branches of our code the tests run.
# Sourced by check.sh.
#
# Two kernel builds count the kernel code: one runs KUnit as a program, the other runs
# KUnit and the selftests in virtual machines. A build with gcc's --coverage counts the
# library and iommu-dirty, for which the stage "tools" runs again. The result is a table.
# A kernel file with a line coverage below coverage_floor percent is a failure, unless
# the file coverage-reasons has a reason for it.
# shellcheck disable=SC2154 # variables of check.sh

coverage_floor=90
# The software formats run only the programs that map and harvest; soft-vtd_ss runs all.
# vtd-off runs nohw, on an IOMMU without dirty bits
coverage_modes="vtd-ss soft-vtd_ss vtd-fs amd-v1 amd-v2 vtd-off
	soft-x86_64 soft-amd_v1 soft-arm_s1 soft-arm_s2 soft-riscv"
# Branches in these macros are not ours, and a working kernel never takes them
coverage_not_ours='WARN_ON|WARN_ONCE|BUG_ON|lockdep_assert|might_sleep|trace_iommufd_dirty'

coverage_lcov() {
	lcov -q --rc lcov_branch_coverage=1 --rc lcov_excl_br_line="$coverage_not_ours" "$@" 2>>"$logs/coverage.log"
}

jobs_coverage() {
	local mode tests needs="coverage-um coverage-kunit coverage-user"
	needs_kernel um-cov cov
	needs_qemu
	job build-selftests build-cov build_selftests
	for mode in ${MODES:-$coverage_modes}; do
		case $mode in
		soft-vtd_ss | vtd-* | amd-*) tests=${TESTS:-$(known_tests)} ;;
		*) tests=${TESTS:-"rounds geometry soft unmap"} ;;
		esac
		# shellcheck disable=SC2086 # a list
		tests=$(tests_for "$mode" $tests)
		[ -n "$tests" ] || continue
		needs+=" coverage-$mode"
		job "coverage-$mode" "build-cov build-qemu build-selftests" \
			coverage_selftests "coverage-$mode" "$mode" "$tests"
	done
	job coverage-kunit "build-cov build-qemu" coverage_kunit
	job coverage-um build-um-cov coverage_um
	job coverage-user "" coverage_user
	job coverage "$needs" coverage_sum "$needs"
}

# Makes a tracefile of the counters, with the names of our own files
coverage_trace() { # name folder...
	local trace=$logs/$1.info dir from=()
	shift
	for dir; do
		from+=(-d "$dir")
	done
	coverage_lcov -o "$trace" -c "${from[@]}"
	# map the compiled copies back to the sources
	sed -i -E "s#^SF:.*/((drivers|include|tools)/.*)#SF:$repo/\1#" "$trace"
	find "$repo/tools/overlay/base/$BASE" -type f -printf '%P\n' |
		sed "s#.*#s|^SF:$repo/&\$|SF:$repo/tools/overlay/base/$BASE/&|#" >"$trace.base"
	sed -i -f "$trace.base" "$trace"
}

coverage_um() {
	local dir list log=$logs/coverage-um.log
	list=$(suites iommu)
	"$repo/tools/setup/setup.sh" coverage
	dir=$(dirname "$(image um-cov)")
	find "$dir" -name '*.gcda' -delete
	timeout --foreground -k 5 300 "$dir/linux" mem=512M kunit_shutdown=halt console=tty </dev/null >"$log" 2>&1 || true
	# shellcheck disable=SC2086 # a list
	count kunit-um "$log" $list
	coverage_trace coverage-um "$dir/drivers/iommu/dirty" "$dir/drivers/iommu/iommufd/dirty"
}

# A guest returns only the counters; the .gcno files are in the build folder
coverage_guest() { # name
	local dir=$logs/$1.gcov file
	"$repo/tools/setup/setup.sh" coverage
	rm -rf "$dir" "$logs/$1.info"
	mkdir "$dir"
	tar -xmf "$logs/$1.tar" -C "$dir"
	if [ -z "$(find "$dir" -name '*.gcda' -print -quit)" ]; then
		failed "$1: the guest returned no counters"
		return
	fi
	while read -r file; do
		cp "/${file%.gcda}.gcno" "$dir/${file%.gcda}.gcno"
	done < <(cd "$dir" && find . -name '*.gcda')
	coverage_trace "$1" "$dir"
	rm -rf "$dir" "$logs/$1.tar"
}

coverage_selftests() { # name mode programs
	selftests_vm "$logs/$1.log" "$2" "$3" "$(image cov)" --gcov "$logs/$1.tar"
	count "$1" "$logs/$1.log"
	coverage_guest "$1"
}

coverage_kunit() {
	local list log=$logs/coverage-kunit.log
	list=$(suites .)
	vm "$log" --iommu vtd-ss --kernel "$(image cov)" --gcov "$logs/coverage-kunit.tar" \
		--append "kunit.enable=1 loglevel=7" true
	# shellcheck disable=SC2086 # a list
	count coverage-kunit "$log" $list
	coverage_guest coverage-kunit
}

# Runs the stage "tools" in separate folders. Its results do not count here: a program
# built without --coverage does not link against a library with counters.
coverage_user() {
	local dir=$cache/coverage log=$logs/coverage-user.log
	"$repo/tools/setup/setup.sh" coverage
	rm -rf "$dir"
	mkdir -p "$dir"
	(with cache="$dir" results=/dev/null logs="$dir" CFLAGS="-O1 -g --coverage" stage_tools) >"$log" 2>&1
	coverage_trace coverage-user "$dir"
	passed "coverage-user: counted"
}

# The two kernels are compiled with different options, so gcc counts different lines and
# branches. For files in both, drops UML's branches and the lines that only UML has
coverage_common() { # tracefile of UML, tracefile...
	awk -v um="$1" '
		/^SF:/ { sf = $0 }
		/^DA:/ { split($0, da, "[:,]") }
		FILENAME != um && /^DA:/ { file[sf]; line[sf, da[2]] }
		FILENAME != um { next }
		/^DA:/ && sf in file && !((sf, da[2]) in line) { next }
		/^BRDA:/ && sf in file { next }
		{ print }' "${@:2}" "$1"
}

# Merges several tracefiles into one, with only our files
coverage_merge() { # tracefile file-list tracefile...
	local out=$1 ours=$2 trace add=() files
	shift 2
	for trace; do
		add+=(-a "$trace")
	done
	coverage_lcov -o "$out.all" "${add[@]}"
	mapfile -t files <"$ours"
	coverage_lcov -o "$out" -e "$out.all" "${files[@]/#/$repo/}"
	rm "$out.all"
}

# Prints PATH LINES% LINES BRANCHES% BRANCHES for each file, and the total; - if none
coverage_table() { # tracefile
	lcov --rc lcov_branch_coverage=1 --list "$1" --list-full-path 2>/dev/null |
		awk -F '|' -v repo="$repo/" 'NF == 4 && $2 ~ /[0-9]$/ {
			name = $1; sub(repo, "", name)
			rates = $2 " " $4; gsub(/%/, "", rates); split(rates, r, " ")
			print name, r[1], r[2], r[3], r[4] }' | sed 's/^ *Total:/total/; s/  */ /g'
}

coverage_sum() { # names of the jobs
	local name traces=() path lines n branches m reason
	for name in $1; do
		# a missing file has been reported
		[ -f "$logs/$name.info" ] || continue
		case $name in
		coverage-user | coverage-um) ;;
		*) traces+=("$logs/$name.info") ;;
		esac
	done
	if [ -f "$logs/coverage-um.info" ]; then
		coverage_common "$logs/coverage-um.info" "${traces[@]}" >"$work/um.info"
		traces+=("$work/um.info")
	fi
	{
		ours -name '*.[ch]'
		(cd "$repo" && find "tools/overlay/base/$BASE" -name '*.[ch]' | sort)
	} | grep -vE '_kunit|/bench|/break\.[ch]|^include/(uapi|trace)/|/trace\.c' >"$work/ours"
	coverage_merge "$logs/coverage-kernel.info" "$work/ours" "${traces[@]}"
	(cd "$repo" && find tools/lib/src tools/iommu -name '*.[ch]' ! -path '*/tests/*' | sort) >"$work/ours-user"
	coverage_merge "$logs/coverage-tools.info" "$work/ours-user" "$logs/coverage-user.info"

	coverage_table "$logs/coverage-kernel.info" >"$logs/coverage.table"
	printf '%-48s %7s %7s %9s %9s\n' "kernel files" lines of branches of
	while read -r path lines n branches m; do
		printf '%-48s %6s%% %7s %8s%% %9s\n' "$path" "$lines" "$n" "$branches" "$m"
		[ "$path" != total ] || continue
		reason=$(awk -v p="$path" '$1 == p { print substr($0, length(p) + 1) }' "$here/coverage-reasons")
		if [ "${lines%.*}" -ge "$coverage_floor" ]; then
			if [ -z "$reason" ]; then
				passed "coverage: $path"
			else
				failed "coverage: $path: the reason in coverage-reasons is not needed"
			fi
		elif [ -n "$reason" ]; then
			passed "coverage: $path: $lines %, with a reason"
		else
			failed "coverage: $path: $lines % of the lines, without a reason in coverage-reasons"
		fi
	done <"$logs/coverage.table"
	coverage_table "$logs/coverage-tools.info" >"$logs/coverage-tools.table"
	printf '\n%-48s %7s %7s %9s %9s\n' "library and iommu-dirty" lines of branches of
	while read -r path lines n branches m; do
		printf '%-48s %6s%% %7s %8s%% %9s\n' "$path" "$lines" "$n" "$branches" "$m"
	done <"$logs/coverage-tools.table"
	echo "line by line: genhtml --branch-coverage $logs/coverage-kernel.info"
}
