#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the project's tests; the last line is "N passed, N failed, N skipped".
#
# Usage: [KSRC=tree] check.sh [--arch x86_64|arm64] [STAGE...]
#
#   static      checkpatch --strict, kernel-doc, shellcheck
#   sparse      sparse, on our files that the debug kernel is made of
#   builds      the kernel builds with IOMMUFD=m, and with the trackers off
#   kunit-um    KUnit as a program (ARCH=um)
#   kunit-vm    KUnit in a virtual machine, under the debug kernel
#   selftests   selftests/iommufd_dirty in virtual machines, under the debug
#               kernel: with each format of page tables that the emulated IOMMUs
#               have, and with one of the software IOMMU
#   tools       the C library and iommu-dirty: tests without a kernel, under sanitizers
#   tools-vm    iommu-dirty migrates a device and observes that in a virtual machine
#   upstream    the kernel's own iommufd selftest: each test that passes on the
#               unmodified kernel passes on ours
#   kcsan       the selftests that have threads, under a kernel that looks for data
#               races and memory leaks; not part of the whole, for its time
#
# Without a stage: all of them but kcsan; for arm64 those that depend on the architecture:
# sparse, builds, kunit-vm, selftests. MODES="a b" limits selftests to those
# IOMMU modes (of tools/vm/run.sh, or soft-FORMAT), TESTS="a b" to those programs.
. "$(dirname "$0")/../setup/common.sh"

here=$repo/tools/check
overlay=$repo/tools/overlay
arch=x86_64
if [ "${1:-}" = --arch ]; then
	arch=${2:?--arch needs a value}
	shift 2
fi
# upstream-base first: the kernel that it compares with is built in its folder
case $arch in
x86_64)
	all=(upstream-base static sparse builds tools tools-vm kunit-um kunit-vm selftests upstream)
	modes="vtd-ss vtd-fs vtd-off amd-v1 amd-v2 soft-vtd_ss"
	cross='' logs=$cache/check
	;;
arm64)
	all=(sparse builds kunit-vm selftests)
	modes="smmu-s1 smmu-s2 smmu-off soft-arm_s1 soft-arm_s2"
	cross=aarch64-linux-gnu- logs=$cache/check/arm64
	;;
*) die "no architecture $arch: see the head of $0" ;;
esac
modes=${MODES:-$modes}
stages=("$@")
[ $# -gt 0 ] || stages=("${all[@]}")

mkdir -p "$logs"
results=$(mktemp)
trap 'rm -f "$results"' EXIT

passed() { echo "ok $*" >>"$results"; }
failed() {
	echo "not ok - $*"
	echo "not ok $*" >>"$results"
}

# A test that is a command: its output only when it fails
try() { # name command...
	local name=$1 out
	shift
	if out=$("$@" 2>&1 </dev/null); then
		passed "$name"
	else
		printf '%s\n' "$out" | head -n 40 | sed 's/^/    /'
		failed "$name"
	fi
}

# Take over the tests of a log; the last line of results.py are the sums
count() { # name log arguments of results.py...
	local name=$1 log=$2 out sums
	shift 2
	if ! out=$("$here/results.py" "$@" "$log"); then
		failed "$name: no results"
		return
	fi
	sums=${out##*$'\n'}
	[ "$out" = "$sums" ] || printf '%s\n' "${out%$'\n'*}"
	echo "sum $name $sums" >>"$results"
	# shellcheck disable=SC2086 # three numbers
	set -- $sums
	note "$name: $1 passed, $2 failed, $3 skipped"
	[ "$2" -eq 0 ] || note "log: $log"
}

kernel() { "$overlay/build.sh" --arch "$arch" "$1"; }

ours() { # names of our kernel files, by find's tests
	(cd "$repo" && find drivers include -type f "$@" | sort)
}

# The KUnit suites of our files below a folder
suites() {
	local f
	while read -r f; do
		sed -n '/struct kunit_suite/,/^}/s/.*\.name = "\(.*\)".*/--suite \1/p' "$f"
	done < <(find "$repo/drivers/$1" -name '*kunit*.c' | sort)
}

sparse_clean() { # file: nothing in sparse's log names it
	! grep -F "$1:" "$logs/sparse.log"
}

# Each program.test that the documentation names as a proof
documented_tests() {
	local t missing=
	while read -r t; do
		grep -qE "^TEST_F\(${t%.*}, ${t#*.}\)" "$repo/selftests/iommufd_dirty/${t%.*}.c" || missing+=" $t"
	done < <(grep -oE '\b[a-z_]+\.[a-z0-9_]+\b' "$repo/Documentation/userspace-api/iommufd_dirty_questions.rst" | sort -u)
	[ -z "$missing" ] || { echo "no such test:$missing"; return 1; }
}

stage_static() {
	local f tree ignore
	"$repo/tools/setup/setup.sh" check
	tree=$("$overlay/build.sh" tree)
	for f in $(ours -name '*.[ch]'); do
		# what the macros of trace events are like in every tree
		case $f in
		include/trace/*) ignore=(--ignore "PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE") ;;
		*) ignore=() ;;
		esac
		try "checkpatch $f" env -C "$tree" scripts/checkpatch.pl --strict -q --show-types \
			"${ignore[@]}" -f "$f"
		try "kernel-doc $f" "$tree/scripts/kernel-doc" -none -Werror "$repo/$f"
	done
	for f in "$overlay"/hooks/*/*.patch; do
		try "checkpatch ${f#"$repo"/}" env -C "$tree" scripts/checkpatch.pl --strict -q \
			--show-types --no-signoff --ignore FILE_PATH_CHANGES "$f"
	done
	for f in $(cd "$repo" && find selftests tools -name '*.[ch]' | sort); do
		try "checkpatch $f" "$tree/scripts/checkpatch.pl" --strict -q --show-types --no-tree -f "$repo/$f"
	done
	try "tests that the documentation names" documented_tests
	while read -r f; do
		try "shellcheck ${f#"$repo"/}" shellcheck -x -P SCRIPTDIR "$f"
	done < <(grep -rlE '^#!/bin/(ba)?sh' "$repo/tools" "$repo/.ci" | sort)
}

stage_sparse() {
	local f tree build
	"$repo/tools/setup/setup.sh" check
	build=$(kernel debug)
	build=${build%/arch/*}
	tree=$("$overlay/build.sh" tree)
	local dirs="drivers/iommu/"
	[ ! -d "$repo/drivers/vfio" ] || dirs+=" drivers/vfio/"
	# shellcheck disable=SC2086 # a list of folders
	make -s -C "$tree" O="$build" ARCH="$arch" CROSS_COMPILE="$cross" -j "$jobs" \
		C=2 CF=-D__CHECK_ENDIAN__ $dirs >"$logs/sparse.log" 2>&1 </dev/null ||
		failed "sparse: the build failed, see $logs/sparse.log"
	# what the objects depend on
	find "$build/drivers" -name '.*.o.cmd' -exec grep -ohE '(drivers|include)/[^ ]+\.[ch]\>' {} + |
		sort -u >"$logs/compiled"
	for f in $(ours -name '*.[ch]' | comm -12 - "$logs/compiled"); do
		try "sparse $f" sparse_clean "$f"
	done
}

stage_builds() {
	try "builds with IOMMUFD=m" kernel module
	try "builds with the trackers off" kernel off
}

stage_kunit_um() {
	local linux log=$logs/kunit-um.log
	linux=$("$overlay/build.sh" um)
	timeout 300 "$linux" mem=512M kunit_shutdown=halt console=tty </dev/null >"$log" 2>&1 || true
	# shellcheck disable=SC2046 # a list
	count kunit-um "$log" $(suites iommu)
}

# Did the emulator forget the timer of a CPU? Its threads that sleep never wake up
# again, while the CPU idles: nothing that a test or the kernel can be blamed for.
# Either the other CPU sees it, or that one idles too, for longer than guest-run
# lets any test be silent
lost_timer() { # log
	if [ -s "$1.machine" ]; then
		[ "$(grep -c 'HLT=0' "$1.machine")" -eq 0 ]
	else
		grep -q 'Possible timer handling issue' "$1" && grep -q 'RIP: .*pv_native_safe_halt' "$1"
	fi
}

# Boot the debug kernel (or a given one), with the console in a log
vm() { # log run.sh arguments...
	local log=$1 try
	shift
	for try in 1 2 3 4; do
		"$repo/tools/vm/run.sh" --quiet --log "$log" --timeout 1800 --silence 420 "$@" ||
			note "the virtual machine ended with code $?"
		if [ "$try" -eq 4 ] || ! lost_timer "$log"; then break; fi
		note "an emulated CPU has lost its timer: again (before: $log.lost)"
		mv "$log" "$log.lost"
		[ ! -f "$log.machine" ] || mv "$log.machine" "$log.lost.machine"
	done
}

stage_kunit_vm() {
	local log=$logs/kunit-vm.log
	vm "$log" --iommu "${modes%% *}" --kernel "$(kernel debug)" \
		--append "kunit.enable=1 loglevel=7" true
	# shellcheck disable=SC2046 # a list
	count kunit-vm "$log" $(suites .)
}

# The programs for a mode: nohw is for IOMMUs without dirty bits, alone; nvme is
# for machines that have an NVMe controller, edu_* for PCI devices
tests_for() { # mode program...
	local mode=$1 t
	for t in "${@:2}"; do
		case $mode:$t in
		*-off:nohw | soft-*:soft*) echo "$t" ;;
		*-off:* | *:nohw | *:soft*) ;;
		vtd-*:nvme | amd-*:nvme) echo "$t" ;;
		*:nvme | soft-*:edu_* | soft-*:device* | soft-*:progression) ;;
		*) echo "$t" ;;
		esac
	done | xargs
}

# The selftests in a machine of a mode, with the options that all modes share
selftests_vm() { # log mode programs option...
	local log=$1 mode=$2 run="DIRTY_FORMAT=$2 guest-run $3" machine
	# the last one's transfers last, for those tests that look at one in flight
	local edu=(--edu 4 --dma-delay "0,0,0,100000")
	shift 3
	case $mode in
	soft-*)
		machine=(--arch "$arch" --iommu none --edu 0 --append iommu_dirty_soft.devices=3)
		run="DIRTY_DEVICES=$mode FUZZ_CALLS=100000 $run"
		;;
	vtd-* | amd-*) machine=(--iommu "$mode" "${edu[@]}" --nvme "$disk" --drive "$disk") ;;
	*) machine=(--iommu "$mode" "${edu[@]}") ;;
	esac
	vm "$log" "${machine[@]}" "$@" "$run"
}

selftests_with() { # kernel configuration, name of the results, modes, programs
	local config=$1 name=$2 modes=$3 tests=$4
	local t mode out image src=$repo/selftests/iommufd_dirty options disk
	"$repo/tools/setup/setup.sh" check
	out=$cache/selftests/$arch
	image=$(kernel "$config")
	logged "$logs/selftests-build.log" make -C "$src" -j "$jobs" OUT="$out" \
		CROSS_COMPILE="$cross" KSRC="$("$overlay/build.sh" tree)"
	tests=${tests:-$(make -s --no-print-directory -C "$src" list)}
	disk=$out/disk.img
	[ -f "$disk" ] || head -c 8M /dev/urandom >"$disk"
	options=(--kernel "$image" --mem 2G --add "$here/guest-run")
	for t in $tests; do
		options+=(--add "$out/$t")
	done
	# two at a time: a test program mostly keeps one CPU busy
	for mode in $modes; do
		# shellcheck disable=SC2086 # a list
		t=$(tests_for "$mode" $tests)
		rm -f "$logs/$name-$mode.log"
		[ -n "$t" ] || continue
		[ "$(jobs -r | wc -l)" -lt 2 ] || wait -n
		selftests_vm "$logs/$name-$mode.log" "$mode" "$t" "${options[@]}" &
	done
	wait
	for mode in $modes; do
		[ ! -f "$logs/$name-$mode.log" ] || count "$name-$mode" "$logs/$name-$mode.log"
	done
}

stage_selftests() { selftests_with debug selftests "$modes" "${TESTS:-}"; }

# What has threads, where threads are real, and a device that has none of its own
stage_kcsan() {
	selftests_with kcsan kcsan "${MODES:-soft-vtd_ss vtd-ss}" \
		"${TESTS:-torture soft_unmap soft_ranges concurrent races unmap trackers access fuzz}"
}

# The programs of tools/testing/selftests/iommu, static, from copies in which the
# time limit of a test suits an emulator
upstream_build() { # tree, folder
	local tree=$1 out=$2 p def defs=()
	local src=$out/tools/testing/selftests
	make -s -C "$tree" O="$out/headers" headers
	rm -rf "$out/tools"
	mkdir -p "$src"
	ln -sfn "$tree/drivers" "$out/drivers"
	cp -r "$tree"/tools/testing/selftests/{iommu,kselftest.h,kselftest_harness.h} "$src"
	sed -i 's/\(define TEST_TIMEOUT_DEFAULT\) 30$/\1 300/' "$src/kselftest_harness.h"
	# Debian's copy of the tests uses names that its kernel does not have yet: this
	# way they ask for what it has
	for def in IOMMU_HW_INFO_TYPE_DEFAULT=0 IOMMU_HW_INFO_FLAG_INPUT_TYPE=0 \
		in_data_type=out_data_type MOCK_FLAGS_DEVICE_PASID=0 MOCK_PASID_WIDTH=0; do
		grep -qw "${def%%=*}" "$out/headers/usr/include/linux/iommufd.h" \
			"$tree/drivers/iommu/iommufd/iommufd_test.h" || defs+=("-D$def")
	done
	for p in iommufd iommufd_fail_nth; do
		gcc -Wall -O2 -Wno-unused-function -D_GNU_SOURCE= "${defs[@]}" \
			-isystem "$out/headers/usr/include" -static -o "$out/$p" "$src/iommu/$p.c"
	done
}

# Each program in a machine of its own, side by side
upstream_run() { # kernel image, name
	local vm=(--kernel "$1" --iommu none --edu 0 --mem 2G --add "$here/guest-run")
	vm "$logs/$2-1.log" "${vm[@]}" --add "$cache/upstream/iommufd" \
		"echo 64 >/proc/sys/vm/nr_hugepages; LIMIT=600 guest-run iommufd" &
	vm "$logs/$2-2.log" "${vm[@]}" --add "$cache/upstream/iommufd_fail_nth" \
		"LIMIT=600 guest-run iommufd_fail_nth" &
	wait
	cat "$logs/$2"-[12].log >"$logs/$2.log"
}

# The unmodified kernel's results are kept as long as kernel and programs stay
stage_upstream_base() {
	local image tree want log=$logs/upstream-base.log
	image=$(kernel base)
	tree=$("$overlay/build.sh" tree)
	want=$(hash_files "$image" "$tree"/tools/testing/selftests/iommu/*.[ch] "$here/guest-run" \
		<(declare -f upstream_build upstream_run))
	[ "$(cat "$logs/upstream-base.from" 2>/dev/null)" != "$want" ] || return 0
	note "running the kernel's own iommufd selftest on the unmodified kernel"
	"$repo/tools/setup/setup.sh" kernel
	mkdir -p "$cache/upstream"
	logged "$logs/upstream-build.log" upstream_build "$tree" "$cache/upstream"
	upstream_run "$image" upstream-base
	[ "$(grep -c '^@@end' "$log")" -eq 2 ] ||
		die "the unmodified kernel did not get through its own tests: see $log"
	"$here/results.py" --save "$logs/upstream-base.passed" "$log" >"$logs/upstream-base.results" || true
	echo "$want" >"$logs/upstream-base.from"
}

. "$here/tools.sh"

stage_upstream() {
	local log=$logs/upstream.log
	stage_upstream_base
	upstream_run "$(kernel upstream)" upstream
	count upstream "$log" --against "$logs/upstream-base.passed"
}

for stage in "${stages[@]}"; do
	declare -F "stage_${stage//-/_}" >/dev/null || die "no stage $stage: see the head of $0"
done
for stage in "${stages[@]}"; do
	note "check: $stage"
	begin=$SECONDS lines=$(wc -l <"$results")
	# in a process of its own, not in a condition: set -e holds
	set +e
	(set -e; "stage_${stage//-/_}")
	rc=$?
	set -e
	[ "$rc" -eq 0 ] || failed "stage $stage broke off"
	if [ "$stage" != upstream-base ] && [ "$(wc -l <"$results")" -eq "$lines" ]; then
		failed "stage $stage ran no test"
	fi
	note "$stage took $((SECONDS - begin)) s"
done

awk '/^ok / { p++ } /^not ok / { f++ } /^sum / { p += $3; f += $4; s += $5 }
     END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$results"
