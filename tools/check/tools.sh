# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stages "tools", which tests the C library and iommu-dirty without a kernel, and
# "tools-vm", which tests them in virtual machines. Sourced by check.sh.
# shellcheck disable=SC2154 # the folders

# Builds the library and its tests with a sanitizer (or none), and runs them
tools_lib() { # name sanitizers
	local out=$cache/tools/lib-$1 t
	logged "$logs/tools-lib-$1.log" make -C "$src/lib" -j "$jobs" OUT="$out" \
		SANITIZE="$2" all tests
	for t in unit scan precopy threads versions wrong cxx; do
		try "lib ($1): $t" env TSAN_OPTIONS=halt_on_error=1 "$out/test-$t"
	done
	try "lib ($1): examples" tools_output "$repo/tools/lib/tests/examples.txt" \
		"$repo/tools/lib/tests/examples.sh" "$out"
}

# iommu-dirty must not depend on the tests: in a tree without the selftests, make must have a
# rule for every file that it needs
tools_alone() {
	local dir rc=0
	dir=$(mktemp -d)
	cp -r "$repo/tools" "$repo/include" "$dir"
	make -n -C "$dir/tools/iommu" OUT="$dir/iommu" LIB="$cache/tools/lib-plain" all \
		>"$dir/log" 2>&1 || rc=1
	[ "$rc" -eq 0 ] || cat "$dir/log"
	rm -rf "$dir"
	return "$rc"
}

# The archive of the library must build and pass its tests with nothing else of the project
tools_lib_archive() {
	local dir rc=0 t
	dir=$(mktemp -d)
	{
		make -C "$repo/tools/lib" OUT="$dir" dist && tar -C "$dir" -xf "$dir"/*.tar.xz &&
			make -C "$dir"/libiommudirty-*/ -j "$jobs" CFLAGS=-O0 all "$dir/test-unit" OUT="$dir" &&
			"$dir/test-unit"
	} >"$dir/log" 2>&1 || rc=1
	[ "$rc" -eq 0 ] || cat "$dir/log"
	rm -rf "$dir"
	return "$rc"
}

# Builds a program and the installed examples, using only installed files
tools_user() { # folder
	local dir=$1 f
	cp "$repo/tools/lib/tests/cxx.cc" "$dir/user.cc"
	# shellcheck disable=SC2046 # a list of options
	g++ -o "$dir/user" "$dir/user.cc" $(PKG_CONFIG_PATH=$dir/usr/lib/pkgconfig \
		PKG_CONFIG_SYSROOT_DIR=$dir pkg-config --cflags --libs libiommudirty)
	LD_LIBRARY_PATH=$dir/usr/lib "$dir/user"
	for f in "$dir"/usr/share/doc/libiommudirty/examples/*.c; do
		# shellcheck disable=SC2046 # a list of options
		gcc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -o "$dir/user" "$f" \
			$(PKG_CONFIG_PATH=$dir/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dir \
				pkg-config --cflags --libs libiommudirty)
	done
}

# Each manual page must name an example that the tests compile
tools_manual_examples() {
	local page f
	for page in "$repo"/tools/lib/man/*.3; do
		f=$(sed -n 's|^\.I .*/libiommudirty/examples/||p' "$page")
		[ -f "$repo/tools/lib/examples/$f" ] || { echo "${page##*/}: no example"; return 1; }
	done
}

# Each function of the header must be described in a manual page: the
# function in bold, as functions are in a description, and in the list of names
tools_manual_complete() {
	local name missing=''
	while read -r name; do
		grep -qE "^\.BR \"?$name \(" "$repo"/tools/lib/man/*.3 || missing+=" $name: description"
		grep -A1 -h '^\.SH NAME' "$repo"/tools/lib/man/*.3 | grep -qw "$name" || missing+=" $name: name"
	done < <(sed -nE 's/^[a-z].*[ *](idirty_[a-z_]+)\(.*/\1/p' "$repo/tools/lib/include/iommudirty.h" |
		grep -v '_fn$')
	[ -z "$missing" ] || { echo "missing:$missing"; return 1; }
}

# In C++ a struct or an enum is hidden by a function that has the same name
tools_names() {
	local twice
	twice=$(sed -nE -e 's/^(struct|enum) (idirty_[a-z_]+) \{/\2/p' -e 's/^[a-z].*[ *](idirty_[a-z_]+)\(.*/\1/p' \
		"$repo/tools/lib/include/iommudirty.h" | sort | uniq -d)
	[ -z "$twice" ] || { echo "both a type and a function: $twice"; return 1; }
}

# The Python module, on the kernel of the library's tests, and as it is installed
tools_lib_python() { # folder of the library, folder of the installation
	local python=$2/usr/lib/python3/dist-packages
	make -C "$src/lib" OUT="$1" PREFIX=/usr DESTDIR="$2" install-python &&
		env LD_PRELOAD="$1/libfake.so" LD_LIBRARY_PATH="$2/usr/lib" PYTHONPATH="$python" \
			PYTHONDONTWRITEBYTECODE=1 "$repo/tools/lib/tests/python.py" \
			"$2/usr/share/doc/libiommudirty/examples"
}

# Both libraries must export exactly what the header declares, the shared library with
# a version
tools_symbols() { # folder
	local declared
	declared=$(sed -nE 's/^[a-z].*[ *](idirty_[a-z_]+)\(.*/\1/p' "$1/usr/include/iommudirty.h" |
		grep -v '_fn$' | sort -u)
	diff <(echo "$declared") \
		<(nm -D --defined-only "$1/usr/lib/libiommudirty.so" --with-symbol-versions |
			sed -nE '/ A IOMMUDIRTY_1\.0/d;s/.* . ([^@]*)(@@IOMMUDIRTY_1\.0)?$/\1/p' | sort -u) &&
		diff <(echo "$declared") <(nm -g --defined-only "$1/usr/lib/libiommudirty.a" |
			sed -nE 's/^[0-9a-f]+ . (.*)$/\1/p' | sort -u)
}

# The interface must be the recorded one; after an addition, "make -C tools/lib abi" records it
tools_abi() { # shared library
	abidiff "$repo/tools/lib/libiommudirty.abi" "$1" &&
		dpkg-gensymbols -plibiommudirty1 -v999 -I"$repo/tools/lib/libiommudirty1.symbols" -e"$1" \
			-c4 -O/dev/null
}

tools_man() { # page
	local out
	if ! out=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l "$1" 2>&1 >/dev/null) ||
		[ -n "$out" ]; then
		echo "$out"
		return 1
	fi
}

# What the completion offers for the last of the words
tools_completed() { # words...
	# shellcheck disable=SC2016 # variables of the other shell
	bash -c '. /usr/share/bash-completion/bash_completion
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		_iommu_dirty
		echo "${COMPREPLY[*]}"' "$repo/tools/iommu/iommu-dirty.bash" "$@"
}

# Each option in --help must be in the completion and in the manual page
tools_options() { # program
	local page=$repo/tools/iommu/iommu-dirty.8 command option options missing='' commands known
	read -ra commands <<<"$(tools_completed iommu-dirty '')"
	[ "${#commands[@]}" -gt 1 ] || { echo "no command is completed"; return 1; }
	for command in "${commands[@]}"; do
		[[ $command != --* && $command != help ]] || continue
		known=" $(tools_completed iommu-dirty "$command" --) "
		options=$("$1" "$command" --help | grep -oE -- ' --[a-z-]+' | grep -v -e --usage | sort -u | tr -d ' ')
		while read -r option; do
			[[ $known == *" $option "* ]] || missing+=" $command $option: completion"
			grep -qF -- "${option//-/\\-}" "$page" || missing+=" $command $option: manual"
		done <<<"$options"
	done
	[ -z "$missing" ] || { echo "missing:$missing"; return 1; }
}

tools_output() { # expected-file command...
	local want=$1
	shift
	"$@" | diff -u "$want" -
}

tools_exit() { # code command...
	local want=$1 rc=0
	shift
	"$@" >/dev/null 2>&1 || rc=$?
	[ "$rc" -eq "$want" ] || { echo "exit code $rc, not $want: $*"; return 1; }
}

# All that can be printed
tools_full() { # program
	local args
	for args in --version help "help rate" "rate --help" "rate --usage" "rate -h" "list -V"; do
		# shellcheck disable=SC2016,SC2086 # of the other shell; several arguments
		tools_exit 1 sh -c '"$0" "$@" >/dev/full' "$1" $args || return
	done
}

# The first line that each command in a file prints, and its exit status
tools_messages() { # program, file
	local line rc
	while read -r line; do
		rc=0
		echo "$line"
		# shellcheck disable=SC2086 # several arguments
		"$1" ${line#$ } </dev/null >"$logs/tools-message.log" 2>&1 || rc=$?
		head -n 1 "$logs/tools-message.log"
		echo "exit status $rc"
	done < <(grep '^\$ ' "$2") | diff -u "$2" -
}

# sysfs does not show what the kernel can do. So probe prints the kernel's answer first,
# and for each device what prevents tracking
tools_probe() { # program, sysfs, file, kernel; expected exit code, answer, device text, stderr
	local rc=0 want out
	want=$(sed -e "s/a tracker covers it/${7:-&}/" "$3")
	out=$(FAKE_KERNEL=$4 "$1" probe --sysfs "$2" 2>&1) || rc=$?
	diff -u <([ -z "$8" ] || echo "iommu-dirty: $8"; echo "kernel: $6"; echo "$want") \
		<(echo "$out") || return
	[ "$rc" -eq "$5" ] || { echo "exit code $rc, not $5"; return 1; }
}

# Makes an IOMMU in a sysfs
tools_iommu() { # sysfs, name, file, content
	mkdir -p "$1/class/iommu/$2/$(dirname "$3")"
	echo "$4" >"$1/class/iommu/$2/$3"
}

# The script knows the bits, too, as it must run where nothing is built. For each combination
# of those bits it must say what probe says
tools_host_agrees() { # iommu-dirty, folder
	local bits value sysfs=$2/host i
	rm -rf "$sysfs"
	for ((bits = 0; bits < 64; bits++)); do
		value=$(((bits & 1) << 43 | (bits >> 1 & 15) << 45))
		# the other bits do not matter, and a shell has no number with all of them
		[ $((bits >> 5)) -eq 0 ] || value=$((value | 1 << 63 | 1 << 40))
		tools_iommu "$sysfs" "dmar$bits" intel-iommu/ecap "$(printf %x "$value")"
	done
	for ((bits = 0; bits < 8; bits++)); do
		value=$(((bits & 1) << 4 | (bits >> 1 & 1) << 49 | (bits >> 2) << 52))
		tools_iommu "$sysfs" "ivhd$bits" amd-iommu/features "$(printf %x "$value"):0"
	done
	for i in "$sysfs"/class/iommu/*; do
		rm -rf "$sysfs-one"
		mkdir -p "$sysfs-one/class/iommu"
		cp -r "$i" "$sysfs-one/class/iommu"
		"$repo/tools/try-on-this-host" --sysfs "$sysfs-one" |
			sed -n 's/^IOMMU  *1 x \(.*\) (\(.*\))$/\2: \1/p'
	done >"$2/host.script"
	"$1" probe --sysfs "$sysfs" 2>/dev/null | awk '
		/^IOMMU/ { if (line) print line; sub("IOMMU ", ""); line = $0; between = ": " }
		/^  / { sub("  ", ""); line = line between $0; between = "; " }
		END { print line }' | grep -v '^device' >"$2/host.probe" || true
	[ "$(wc -l <"$2/host.probe")" -eq 72 ] && diff "$2/host.probe" "$2/host.script"
}

# What it says of several hosts, at most ten lines for each
tools_host() { # folder
	local sysfs=$1/hosts host say=$repo/tools/try-on-this-host i
	rm -rf "$sysfs"
	mkdir -p "$sysfs/none" "$sysfs/smmu/class/iommu/smmu3.0x1"
	tools_iommu "$sysfs/old" dmar0 intel-iommu/ecap c80000000000
	mkdir -p "$sysfs/old/class/misc/iommu"
	for i in 0 1 2 3 4 5 6 7; do
		tools_iommu "$sysfs/ready" "dmar$i" intel-iommu/ecap 1680000000000
		tools_iommu "$sysfs/many" "dmar$i" intel-iommu/ecap "$(printf %x $((1 << 43 | i << 45)))"
		tools_iommu "$sysfs/many" "ivhd$i" amd-iommu/features "$(printf %x $((i << 49))):0"
	done
	mkdir -p "$sysfs/ready/class/misc/iommu" "$sysfs/ready/module/iommufd/parameters" \
		"$sysfs/ready/bus/pci/devices/0000:00:01.0/vfio-dev"
	echo N >"$sysfs/ready/module/iommufd/parameters/dirty_trackable"
	ln -s ../../../../class/iommu/dmar5 "$sysfs/ready/bus/pci/devices/0000:00:01.0/iommu"
	mkdir -p "$sysfs/ready/bus/pci/devices/0000:00:02.0"
	cp -r "$sysfs/ready" "$sysfs/unloaded"
	rmdir "$sysfs/unloaded/class/misc/iommu"
	for host in none smmu old ready unloaded many; do
		echo "== $host"
		"$say" --sysfs "$sysfs/$host"
	done >"$1/hosts.txt"
	awk '/^==/ { lines = 0; next } ++lines > 10 { print "more than ten lines"; exit 1 }' "$1/hosts.txt"
	[ "$("$say" | wc -l)" -le 10 ]
	diff "$repo/tools/iommu/tests/hosts.txt" "$1/hosts.txt"
}

# A record, without what differs from run to run
tools_record() { # file
	sed -e 's/"time":[0-9.]*/"time":0/' -e 's/"start":"[^"]*","host":"[^"]*"/"start":"","host":""/' "$1"
}

# iommu-dirty observes its own process. The redirections open files in a folder, which
# fake-vfio treats as iommufds. Rates and pids vary, so they are removed from the output
tools_files() { # expected file, exit code, folder, redirections, command...
	local want=$1 code=$2 dir=$3 files=$4 rc=0 out
	shift 4
	out=$(cd "$dir" && bash -c "exec $files; exec \"\$@\" --pid \$\$" - "$@" 2>&1) || rc=$?
	[ "$2" != record ] || out+=$'\n'$(tools_record "$dir/several.rec")
	sed -E -e 's/ +[0-9]+\.[0-9]$//' -e '/^ +"(time|seconds|mib_per_second)":/d' -e 's/(process|--pid) [0-9]+/\1 N/' <<<"$out" |
		diff -u "$want" - || return
	[ "$rc" -eq "$code" ] || { echo "exit code $rc, not $code"; return 1; }
}

tools_iommufds() { # program, folder for files
	local t=$repo/tools/iommu/tests dir=$2 tool=$1
	rm -rf "$dir"
	mkdir -p "$dir"
	touch "$dir"/fake-{iommu,container,busy,type1,empty}
	# 22 duplicates 20; 23 is neither an iommufd nor a container
	local two="20<fake-iommu 21<fake-container 22<&20 23</dev/null 24<fake-empty"
	try "iommufds: two of a process" tools_files "$t/several.txt" 1 "$dir" "$two" "$tool" rate
	try "iommufds: two, as JSON" tools_files "$t/several-json.txt" 1 "$dir" "$two" "$tool" rate --json
	try "iommufds: two, recorded" tools_files "$t/several-record.txt" 1 "$dir" "$two" \
		"$tool" record --duration 1s --interval 1500ms -o several.rec
	try "iommufds: a heatmap of the second" tools_output "$t/several-heatmap.txt" \
		sh -c "'$tool' heatmap --ioas 21:5 -r 1 -c 8 '$dir/several.rec' | sed -e 's/1\.5[0-9]*/1.5/' -e 's/ 0\.2[0-9]*/ 0.2/g'"
	try "iommufds: a heatmap of an ambiguous IOAS" tools_exit 2 "$tool" heatmap --ioas 5 "$dir/several.rec"
	try "iommufds: a heatmap of an unknown IOAS" tools_exit 4 "$tool" heatmap --ioas 22:5 "$dir/several.rec"
	try "iommufds: one, with two descriptors" tools_files "$t/rate.txt" 1 "$dir" \
		"20<fake-iommu 21<&20" "$tool" rate
	try "iommufds: a container" tools_files "$t/container.txt" 0 "$dir" \
		"20<fake-container" "$tool" rate
	try "iommufds: a native container, too" tools_files "$t/container-type1.txt" 1 "$dir" \
		"20<fake-type1 21<fake-container" "$tool" rate
	try "iommufds: only native containers" tools_files <(
		echo "iommu-dirty: process N has no iommufd, but a VFIO container that is none"
	) 4 "$dir" "20<fake-type1 21<fake-empty" "$tool" rate
	try "iommufds: none, and a kernel without trackers" tools_files <(
		echo "iommu-dirty: the kernel has no dirty trackers"
	) 3 "$dir" "20<fake-empty" env FAKE_KERNEL=old "$tool" rate
	try "iommufds: none, and a kernel without iommufd" tools_files <(
		echo "iommu-dirty: the kernel has no iommufd, or /dev/iommu is missing"
	) 3 "$dir" "20<fake-empty" env FAKE_KERNEL=none "$tool" rate
	try "iommufds: none" tools_files <(echo "iommu-dirty: process N has no iommufd") \
		4 "$dir" "20<fake-empty" "$tool" rate
	try "list: all consumers" tools_files "$t/list.txt" 0 "$dir" "20<fake-busy" "$tool" list
	try "list: all consumers, as JSON" tools_files "$t/list-json.txt" 0 "$dir" "20<fake-busy" \
		"$tool" list --json
	try "clean: shows what may have been left" tools_files "$t/clean.txt" 0 "$dir" \
		"20<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean
	try "clean: shows it as JSON" tools_files "$t/clean-json.txt" 0 "$dir" "20<fake-busy" \
		env FAKE_LOG="$dir/destroyed" "$tool" clean --json
	try "clean: removes nothing if one is no tracker" tools_files <(
		echo "iommu-dirty: 3 is no tracker, its type is device"
	) 1 "$dir" "20<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean 4 3
	try "clean: leaves the tracker of type1" tools_files <(
		echo "iommu-dirty: tracker 6 serves VFIO type1, and stays"
	) 1 "$dir" "20<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean 4 6
	try "clean: no such tracker" tools_files <(echo "iommu-dirty: no object 77") 4 "$dir" \
		"20<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean 4 77
	try "clean: an ambiguous id" tools_files <(
		echo "iommu-dirty: 4 is in several iommufds: name it FD:4"
	) 2 "$dir" "20<fake-busy 21<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean 4
	try "clean: has removed nothing so far" test ! -e "$dir/destroyed"
	try "clean: removes trackers" tools_files <(
		printf 'removed tracker %s\n' 21:4 20:8
	) 0 "$dir" "20<fake-busy 21<fake-busy" env FAKE_LOG="$dir/destroyed" "$tool" clean 21:4 20:8
	try "clean: removes these and no others" tools_output <(printf 'destroy %d\n' 4 8) \
		cat "$dir/destroyed"
	try "observing: the address space is destroyed" tools_files <(
		echo "iommu-dirty: IOAS 5 is gone: the observed process has destroyed it, or is ending"
		head -n 1 "$t/container.txt" | sed 's/^/time     /'
	) 4 "$dir" "20<fake-container" env FAKE_KERNEL=gone "$tool" watch
	try "observing: one of the address spaces is destroyed" tools_files "$t/leaves.txt" 1 \
		"$dir" "20<fake-iommu" env FAKE_KERNEL=leaves "$tool" rate
	try "observing: one is destroyed before it has a tracker" tools_files \
		<(grep -v 7 "$t/leaves.txt") 1 "$dir" "20<fake-iommu" \
		env FAKE_KERNEL=races "$tool" rate
	try "observing: one is destroyed before its tracker starts" tools_files "$t/leaves.txt" 1 \
		"$dir" "20<fake-iommu" env FAKE_KERNEL=dies "$tool" rate
	try "observing: the kernel has no memory for a record" tools_files <(
		echo "iommu-dirty: IOAS 5: SCAN: Cannot allocate memory"
	) 1 "$dir" "20<fake-container" env FAKE_KERNEL=full "$tool" record --interval 10ms
	try "observing: too many address spaces" tools_files <(
		echo "iommu-dirty: process N has more than 1024 IO address spaces"
	) 1 "$dir" "20<fake-container" env FAKE_KERNEL=many "$tool" rate
	try "observing: a page table that cannot be tracked joins" tools_files "$t/joins.txt" 1 "$dir" \
		"20<fake-container" env FAKE_KERNEL=joins "$tool" rate
	try "observing: an older kernel" tools_files <(
		echo "iommu-dirty: this kernel is too old: its trackers would disturb the observed program"
	) 3 "$dir" "20<fake-iommu" env FAKE_KERNEL=older "$tool" rate
	try "iommufds: may not be borrowed" tools_files <(
		echo "iommu-dirty: cannot borrow the iommufd of process N: Operation not permitted"
	) 1 "$dir" "20<fake-iommu" env FAKE_KERNEL=guarded "$tool" rate
}

# Compares the pictures of a record with the record and with the JSON output
tools_heatmap() { # program, record, rows, columns, folder
	local draw=("$1" heatmap -r "$3" -c "$4" "$2") f PATH=$repo/tools/iommu:$PATH
	for f in svg png html; do
		"${draw[@]}" --output "$5/heatmap.$f" || return
	done
	"${draw[@]}" --json >"$5/heatmap.json" &&
		"$repo/tools/iommu/tests/pictures.py" heatmap "$2" "$3" "$4" "$5"/heatmap.{json,svg,png,html}
}

# The name of a file is no formula, and in JSON it is UTF-8
tools_odd_names() { # program, record, folder
	local PATH=$repo/tools/iommu:$PATH name
	name=$3/$'\xff$\\odd$1$.rec'
	# shellcheck disable=SC2016 # dollar signs are what is odd
	cp "$2" "$name" && "$1" heatmap -o "$3/odd.svg" "$name" &&
		grep -qF '?$\odd$1$.rec' "$3/odd.svg" &&
		"$1" heatmap --json "$name" | python3 -c '
import json, os, sys
sys.exit(os.path.basename(json.load(sys.stdin)["file"]) != r"?$\odd$1$.rec")'
}

# The name of a device is not a part of the page's template
tools_odd_devices() { # program, record, folder
	local PATH=$repo/tools/iommu:$PATH
	local page=$3/odd.html
	sed '1s/0000:00:04.0/PAPER GREY DATA SVG/' "$2" >"$3/odd.rec" &&
		"$1" heatmap -o "$page" "$3/odd.rec" &&
		grep -q '<head>.*<title>.*: PAPER GREY DATA SVG, 0000:00:05.0</title>' "$page" &&
		[ "$(grep -c '<svg' "$page")" -eq 1 ] && grep -q '^const data = {' "$page"
}

# The command is installed without the plotting library
tools_no_plot() { # program, record
	local out rc=0
	out=$(PATH=/nonexistent "$1" heatmap -o picture.svg "$2" 2>&1) || rc=$?
	diff - <(echo "$out") <<<"iommu-dirty: picture.svg: pictures need the program iommu-dirty-plot, which is not installed" && [ "$rc" -eq 1 ]
}

tools_advise() { # program, JSON output of advise, folder
	local f PATH=$repo/tools/iommu:$PATH
	for f in svg png html; do
		"$1" advise --replay "$2" -o "$3/advise.$f" >/dev/null || return
	done
	"$repo/tools/iommu/tests/pictures.py" advise "$2" "$3"/advise.{svg,png,html}
}

# One of three address spaces cannot be tracked. The others must be tracked, and the exit
# code must be 1. Rates vary, so they are removed from the output.
tools_untracked() { # program, command, expected file, folder
	local rc=0 out
	case "$2" in
	rate) out=$("$1" rate --fd 0 2>&1) ;;
	rate-json) out=$("$1" rate --fd 0 --json 2>&1) ;;
	record) out=$("$1" record --fd 0 --duration 1s --interval 1500ms -o "$4/untracked.rec" 2>&1 &&
		echo "exit code 0") ;;
	esac || rc=$?
	[ "$2" != record ] || out+=$'\n'$(tools_record "$4/untracked.rec")
	sed -E -e "s|$4/||" -e 's/ +[0-9]+\.[0-9]$//' -e '/^ +"(time|seconds|mib_per_second)":/d' <<<"$out" |
		diff -u "$3" - || return
	[ "$rc" -eq 1 ] || { echo "exit code $rc"; return 1; }
}

# A user who may not inspect processes must get that error, not "no process"
tools_no_right() { # program
	local dir rc=0 run=()
	dir=$(mktemp -d)
	cp "$1" "$dir"
	chmod 755 "$dir"
	[ "$(id -u)" -ne 0 ] || run=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	{
		"${run[@]}" "$dir/iommu-dirty" rate --pid 1 || [ $? -eq 1 ] || rc=1
		"${run[@]}" "$dir/iommu-dirty" rate --device 0000:99:00.0 || [ $? -eq 1 ] || rc=1
	} >"$dir/out" 2>&1
	diff -u - "$dir/out" <<-EOF || rc=1
		iommu-dirty: the files of process 1: Permission denied
		iommu-dirty: no process with 0000:99:00.0 in its iommufd, of those that may be traced
	EOF
	rm -r "$dir"
	return "$rc"
}

# A destination that receives garbage must end with a message
tools_not_a_stream() { # iommu-dirty, start of the stream, expected message
	local port=$((20000 + BASHPID % 10000)) said="${3:-this is no migration stream}" out rc=0
	"$1" migrate --listen "$port" >"$logs/tools-migrate.log" 2>&1 &
	until printf '%b' "${2:-GET / HTTP/1.0 }0123456789abcdef" 2>/dev/null >"/dev/tcp/127.0.0.1/$port"; do
		kill -0 $! || break
		sleep 0.1
	done
	wait $! || rc=$?
	out=$(cat "$logs/tools-migrate.log")
	if [ "$rc" -ne 1 ] || [ "$out" != "iommu-dirty: $said" ]; then
		echo "$rc: $out"
		return 1
	fi
}

# The unit as it is installed: known directives, an existing program, and as few rights as now
tools_unit() { # folder of the installation
	local unit=usr/lib/systemd/system/iommu-dirty-export.service dir said rc=0
	dir=$(mktemp -d)
	sed "s|=/usr/sbin/|=$1/usr/sbin/|" "$1/$unit" >"$dir/${unit##*/}"
	# it only warns about an unknown directive
	said=$(systemd-analyze verify --man=no "$dir/${unit##*/}" 2>&1) || rc=1
	[ -z "$said" ] || { echo "$said"; rc=1; }
	# an observed process can have 1024 address spaces, and 4096 iommufds; the default is 1024
	grep -q '^LimitNOFILE=65536$' "$1/$unit" || { echo "too few descriptors"; rc=1; }
	systemd-analyze security --offline=true --threshold=21 --no-pager "$dir/${unit##*/}" \
		>"$dir/log" 2>&1 || { cat "$dir/log"; rc=1; }
	rm -r "$dir"
	return "$rc"
}

stage_tools() {
	local src out=$cache/tools stage=$cache/tools/staging f tool t=$repo/tools/iommu/tests
	# by default, UBSan only prints its reports
	export UBSAN_OPTIONS=halt_on_error=1
	"$repo/tools/setup/setup.sh" tools plot pictures metrics
	src=$("$repo/tools/setup/sources.sh")/tools
	mkdir -p "$out"
	tools_lib plain ""
	tools_lib asan address,undefined
	tools_lib tsan thread

	rm -rf "$stage"
	logged "$logs/tools-install.log" make -C "$src/lib" OUT="$out/lib-plain" \
		install DESTDIR="$stage" PREFIX=/usr
	logged "$logs/tools-iommu.log" make -C "$src/iommu" -j "$jobs" OUT="$out/iommu" \
		LIB="$out/lib-plain" install DESTDIR="$stage" PREFIX=/usr
	logged "$logs/tools-asan.log" make -C "$src/iommu" -j "$jobs" OUT="$out/iommu-asan" \
		LIB="$out/lib-asan" SANITIZE=address,undefined all tests
	try "lib: a program built with pkg-config" tools_user "$stage"
	try "lib: Python" tools_lib_python "$out/lib-plain" "$stage"
	try "lib: manuals have examples" tools_manual_examples
	try "lib: manuals describe each function" tools_manual_complete
	try "lib: names" tools_names
	try "lib: symbols" tools_symbols "$stage"
	try "lib: interface" tools_abi "$stage/usr/lib/libiommudirty.so.1"
	try "lib: builds from its archive" tools_lib_archive
	try "iommu-dirty builds without the selftests" tools_alone
	for f in "$repo"/tools/lib/man/*.3 "$repo"/tools/iommu/*.[18]; do
		try "man ${f##*/}" tools_man "$f"
	done

	tool=$out/iommu-asan/iommu-dirty
	try "options: completed, and in the manual" tools_options "$tool"
	try "completion on a terminal" "$t/completion.py"
	try "heatmap as text" tools_output "$t/heatmap.txt" "$tool" heatmap -r 4 -c 32 "$t/sample.rec"
	try "heatmap as JSON" tools_output "$t/heatmap.json" sh -c \
		"'$tool' heatmap --json -r 2 -c 4 --from 0x100000000 --to 0x1000fffff - <'$t/sample.rec'"
	try "heatmap from 0 on" tools_output "$t/heatmap-0.txt" \
		"$tool" heatmap -r 1 -c 4 --from 0 "$t/sample.rec"
	try "advise as text" tools_output "$t/advise.txt" "$tool" advise --replay "$t/advise-in.json"
	try "advise as JSON" tools_output "$t/advise.json" \
		"$tool" advise --json --bandwidth 100M --slowdown 40 --replay "$t/advise-in.json"
	"$tool" advise --json --replay "$t/advise-in.json" >"$out/advise.json"
	try "advise: reads the JSON that it has written" tools_output "$t/advise.txt" \
		"$tool" advise --replay "$out/advise.json"
	try "advise: several iommufds" tools_output "$t/advise-fd.txt" \
		"$tool" advise --replay "$t/advise-fd.json"
	try "advise: several iommufds, as JSON" tools_output "$t/advise-fd.json" \
		"$tool" advise --json --replay "$t/advise-fd.json"
	# this program contains a fake kernel
	tool=$out/iommu-asan/fake-vfio
	try "probe --vfio as text" tools_output "$t/probe-vfio.txt" "$tool" probe --vfio --sysfs "$t/sysfs"
	try "probe --vfio as JSON" tools_output "$t/probe-vfio.json" \
		"$tool" probe --vfio --json --sysfs "$t/sysfs"
	try "probe --vfio without trackers" tools_output "$t/probe-old.txt" sh -c \
		"FAKE_KERNEL=old '$tool' probe --vfio --sysfs '$t/sysfs' || echo exit code \$?"
	f="the kernel has no dirty trackers"
	try "probe: trackers" tools_probe "$tool" "$t/sysfs" "$t/probe.txt" "" 0 "dirty trackers" "" ""
	try "probe: no trackers" tools_probe "$tool" "$t/sysfs" "$t/probe.txt" \
		old 3 "no dirty trackers" "$f" ""
	try "probe: no iommufd" tools_probe "$tool" "$t/sysfs" "$t/probe.txt" none 3 "no iommufd" "$f" ""
	f="it cannot be told whether the kernel has dirty trackers"
	try "probe: no permission to ask the kernel" tools_probe "$tool" "$t/sysfs" "$t/probe.txt" \
		denied 1 "Permission denied" "$f" "/dev/iommu: Permission denied"
	try "try-on-this-host: knows what probe knows" tools_host_agrees "$tool" "$out"
	try "try-on-this-host: several hosts" tools_host "$out"
	tools_iommufds "$tool" "$out/iommufds"
	for f in rate rate-json record; do
		try "$f: an address space that cannot be tracked" tools_untracked "$tool" "$f" \
			"$t/$f.txt" "$out"
	done
	try "exit code: no address space can be tracked" tools_exit 1 \
		env FAKE_KERNEL=unable "$tool" rate --fd 0
	touch "$out/fake-iommu"
	try "signals, full disks and closed pipes leave no tracker" "$t/signals.py" "$tool" "$out"
	try "watch on a terminal" "$t/watch.py" "$tool" "$out/iommufds"
	try "export: metrics, and bad clients" "$t/export.py" "$tool" "$out/iommufds" "$repo/tools/iommu"
	try "selftest: notices each fault, and no other" "$out/iommu-asan/test-selftest"
	try "export: the unit for systemd" tools_unit "$stage"
	try "JSON: as in the schema" "$t/schema.py" "$tool" "$out" "$t"
	try "records: compressed, on a pipe, cut off" "$t/records.py" "$tool" "$out" "$t/sample.rec"
	tool=$out/iommu-asan/iommu-dirty
	try "heatmap as a picture" tools_heatmap "$tool" "$t/sample.rec" 24 64 "$out"
	"$t/vm.py" $((800 << 30)) >"$out/vm.rec"
	try "heatmap as a picture: 1 TiB with holes" tools_heatmap "$tool" "$out/vm.rec" 30 100 "$out"
	"$t/vm.py" $((64 << 20)) >"$out/vm.rec"
	try "heatmap as a picture: odd cells" tools_heatmap "$tool" "$out/vm.rec" 7 13 "$out"
	try "heatmap of a file with an odd name" tools_odd_names "$tool" "$t/sample.rec" "$out"
	try "heatmap as a picture: odd names of devices" tools_odd_devices "$tool" \
		"$t/sample.rec" "$out"
	try "advise as a picture" tools_advise "$tool" "$out/advise.json" "$out"
	try "exit code: a picture in no folder, SIGCHLD being ignored" tools_exit 1 env \
		--ignore-signal=CHLD PATH="$repo/tools/iommu:$PATH" "$tool" heatmap \
		-o /nonexistent/picture.svg "$t/sample.rec"
	try "exit code: the disk is full" tools_full "$tool"
	try "pictures need iommu-dirty-plot" tools_no_plot "$tool" "$t/sample.rec"
	try "exit code: advise to an unknown file type" tools_exit 2 \
		"$tool" advise -o advise.gif --replay "$t/advise-in.json"
	try "exit code: advise without trackers" tools_exit 4 sh -c \
		"echo '{\"iommu-dirty-advise\": 1, \"interval\": 1, \"trackers\": []}' |
			'$tool' advise --replay /dev/stdin"
	try "exit code: advise from another file type" tools_exit 1 "$tool" advise --replay "$t/sample.rec"
	try "messages" tools_messages "$tool" "$t/messages.txt"
	try "exit code: no such file" tools_exit 1 "$tool" heatmap /nonexistent
	try "exit code: nothing dirty" tools_exit 4 "$tool" heatmap --ioas 77 "$t/sample.rec"
	try "no permission to inspect a process" tools_no_right "$out/iommu/iommu-dirty"
	try "migrate: not a stream" tools_not_a_stream "$tool"
	try "migrate: another version of the stream" tools_not_a_stream "$tool" \
		'IOMMUMIG\x02\x00\x00\x00' 'version 2 of the stream, not 1'
	try "fuzz: record files" "$out/iommu-asan/fuzz-record" "$t/sample.rec" 1 20000
	try "fuzz: input of advise" "$out/iommu-asan/fuzz-advise" "$t/advise-in.json" 1 10000
	try "fuzz: migration stream" "$out/iommu-asan/fuzz-migrate" 1 50000
}

# Prints options for run.sh that add a host program and its libraries to the guest
with_libraries() { # program
	local lib
	echo "--add $1"
	ldd "$1" | grep -oE '/[^ ]+' | while read -r lib; do
		echo "--add $lib:$lib"
	done
}

# Builds the programs that both machines use
tools_vm_programs() {
	local f tree src out=$cache/tools
	"$repo/tools/setup/setup.sh" tools rust
	tree=$("$overlay/build.sh" tree)
	src=$("$repo/tools/setup/sources.sh")/tools
	mkdir -p "$out"
	logged "$logs/tools-vm-lib.log" make -C "$src/lib" -j "$jobs" OUT="$out/lib-vm" \
		KSRC="$tree" all vm
	logged "$logs/tools-vm-iommu.log" make -C "$src/iommu" -j "$jobs" \
		OUT="$out/iommu-static" LIB="$out/lib-vm" STATIC=1 all
	gcc -static -O2 -Wall -Wextra -Werror -o "$out/map-changes" "$repo/tools/qemu/map-changes.c"
	! rust_found || rust_make vm rust rust-vm vm
}

tools_vm_options() { # sets add, examples
	local f out=$cache/tools
	add=(--add "$here/guest-run" --add "$repo/tools/iommu/tests/tap.sh"
		--add "$out/iommu-static/iommu-dirty" --add "$out/lib-vm/test-vm")
	examples=''
	for f in open trackable alloc read observe precopy_run rounds; do
		add+=(--add "$out/lib-vm/vm/example-$f")
		examples+=" example-$f"
	done
	for f in precopy progression; do
		add+=(--add "$out/lib-vm/vm/example-$f")
	done
}

# On the debug kernel: iommu-dirty observes a migration, and the library is tested with
# devices. map-changes tests the emulator, on which all other tests depend
tools_vm() {
	local image add examples perf out=$cache/tools log=$logs/tools-vm.log rust=''
	image=$(image debug)
	tools_vm_options
	if rust_found; then
		add+=(--add "$out/rust-vm/vm/rust-rig" --add "$out/rust-vm/vm/rust-precopy")
		rust="'test-vm precopy rust-precopy' 'test-vm with edu_vfio_pci rust-rig'"
	else
		skipped tools-vm "the crate: no rustc and cargo"
	fi
	read -ra perf <<<"$(with_libraries "$(command -v perf)" | xargs)"
	LIMIT=600 vm "$log" --kernel "$image" --iommu vtd-ss --edu 3 --drive "$image" --nvme "$image" "${add[@]}" \
		--add "$repo/tools/iommu/tests/guest.sh" "${perf[@]}" --add "$out/map-changes" \
		"LIMIT=600 guest-run map-changes guest.sh 'test-vm trackers' 'test-vm hwpt' 'test-vm vfio' \
			'test-vm run$examples' 'test-vm precopy example-precopy' \
			'test-vm progression example-progression' $rust"
	count tools-vm "$log"
}

# Tests iommu-dirty and the fallbacks of the library on the unmodified kernel
tools_vm_base() {
	local add examples log=$logs/tools-vm-base.log
	tools_vm_options
	vm "$log" --kernel "$(image base)" --iommu vtd-ss --edu 2 "${add[@]}" \
		--add "$repo/tools/iommu/tests/guest-old.sh" \
		"guest-run guest-old.sh 'test-vm hwpt'"
	count tools-vm-base "$log"
}

jobs_tools_vm() {
	needs_kernel debug
	needs_qemu
	job build-tools-vm build-debug tools_vm_programs
	job tools-vm "build-debug build-qemu build-tools-vm" tools_vm
}

jobs_tools_vm_base() {
	needs_kernel base
	needs_qemu
	job build-tools-vm build-base tools_vm_programs
	job tools-vm-base "build-base build-qemu build-tools-vm" tools_vm_base
}
