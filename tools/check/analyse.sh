# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "analyse", in check-long: compilers and analysers that no other stage uses.
# Sourced by check.sh.
#
# Each report of a tool must be in the file analyse-reasons, with the reason why it is
# accepted. A reason whose report no longer occurs is an error, too.
#
# smatch is missing, because Debian 12 has no package of it. The coccinelle scripts in
# OCaml are skipped, because they need an OCaml compiler.
# shellcheck disable=SC2154 # variables of check.sh

jobs_analyse() {
	needs_kernel tree
	job analyse-user build-tree analyse_user
	job analyse-cocci build-tree analyse_cocci
	job analyse-clang-kernel build-tree analyse_clang_kernel
}

# Turns "FILE:LINE...: TEXT" on stdin into unique lines "FILE: TEXT", for our files only.
# Line numbers are dropped, because every edit changes them
analyse_lines() { # the folder to strip from file names
	sed -nE -e "s|^$1/||" -e 's#^devices/#tools/&#' \
		-e 's#^(verbs|ioas|device|edu|soft|stress|lib)/[a-z_]*\.[ch]:#selftests/iommufd_dirty/&#' -e 's/^((drivers|include|selftests|tools)[^: ]*):[0-9:-]*:? */\1: /p' |
		sed -E 's/\bline [0-9]+/line N/g' | LC_ALL=C sort -u
}

analyse_listed() { # tool
	awk -F ' [|] ' -v tool="$1" '$1 == tool { print $2 ": " $3 }' "$here/analyse-reasons" |
		LC_ALL=C sort -u
}

# The reports of a tool must equal its lines in analyse-reasons
analyse_judge() { # tool file
	diff -u --label "analyse-reasons of $1" --label "$1" <(analyse_listed "$1") "$2"
}

# Every line must be tool | file | text | reason, with a known tool
analyse_reasons() {
	! grep -nvE -e '^#' -e '^$' \
		-e '^(fanalyzer|cppcheck|coccicheck) \| [^ |]+ \| [^|]+ \| [^|]*[a-z][^|]*$' "$here/analyse-reasons"
}

# Rebuilds the library, iommu-dirty, their tests and the selftests from scratch
analyse_make() { # folder make-argument...
	local out=$1
	shift
	rm -rf "$out"
	make -C "$repo/tools/lib" -j "$jobs" OUT="$out/lib" KSRC="$tree" "$@" all tests vm
	make -C "$repo/tools/iommu" -j "$jobs" OUT="$out/iommu" LIB="$out/lib" "$@" all tests
	# kselftest's makefiles add to CFLAGS what they need
	"$overlay/selftests.sh" "$out/selftests" "${@/#CFLAGS=/USERCFLAGS=}"
}

analyse_cppcheck() {
	cd "$repo" || return
	# constStatement: some callers ignore the value of complain()
	cppcheck -q --enable=warning,performance --suppress=constStatement --library=posix --library=gnu \
		--library="$here/cppcheck.cfg" --std=c11 -j "$jobs" --template='{file}:{line}: {message} [{id}]' \
		-D_GNU_SOURCE -I tools/lib/include -I tools/lib/src -I tools/iommu -I tools/iommu/migrate \
		-I selftests/iommufd_dirty/lib -I tools/devices tools/devices tools/lib tools/iommu selftests
}

analyse_user() {
	local tree log=$logs/analyse-fanalyzer.log
	"$repo/tools/setup/setup.sh" analyse tools
	tree=$(image tree)
	try "analyse-reasons: format" analyse_reasons

	LC_ALL=C logged "$log" analyse_make "$cache/analyse/gcc" \
		CFLAGS="-O2 -g -fanalyzer -fdiagnostics-plain-output"
	grep 'Wanalyzer' "$log" | sed 's/: warning: /: /' | analyse_lines "$repo" >"$log.lines"
	try "fanalyzer" analyse_judge fanalyzer "$log.lines"

	log=$logs/analyse-cppcheck.log
	logged "$log" analyse_cppcheck
	analyse_lines "$repo" <"$log" >"$log.lines"
	try "cppcheck" analyse_judge cppcheck "$log.lines"

	# -Wno-gnu...: some structs put data behind a VFIO header with a flexible array
	try "clang: user space" analyse_make "$cache/analyse/clang" CC=clang CXX=clang++ \
		CFLAGS="-O2 -g -Werror -Wno-gnu-variable-sized-type-not-at-end"
}

# Runs one script on one folder or file; prints its reports
cocci_script() { # script target
	local options
	options=$(sed -n 's,^// *Options: *,,p' "$1" | head -n 1)
	# shellcheck disable=SC2086 # a list
	spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options \
		-I arch/x86/include -I include -I arch/x86/include/uapi -I include/uapi \
		--include include/linux/kconfig.h --dir "$2"
}

# A known fault must be found: spatch is silent if it cannot run a Python script
cocci_works() {
	local dir out
	dir=$(mktemp -d)
	printf 'int f(int a)\n{\n\tif (a) {\n\t\ta++;\n\t};\n\treturn a;\n}\n' >"$dir/semicolon.c"
	out=$(cd "$tree" && cocci_script scripts/coccinelle/misc/semicolon.cocci "$dir" 2>&1)
	rm -r "$dir"
	[[ $out == *"semicolon.c:5:2-3: Unneeded semicolon"* ]] || { echo "$out"; return 1; }
}

# Like the kernel's scripts/coccicheck, but on our sources instead of a whole tree
cocci_scripts() {
	cd "$tree" || return
	export -f cocci_script
	grep -rl --include='*.cocci' '^virtual.*report' scripts/coccinelle | xargs grep -L script:ocaml |
		sort >"$logs/analyse-cocci.scripts"
	# shellcheck disable=SC2016 # expanded by the inner shell
	xargs -P "$jobs" -I{} bash -c 'cocci_script "$1" "$2" || echo "tools: $1: code $?"' \
		- {} "$repo/drivers" <"$logs/analyse-cocci.scripts"
}

analyse_cocci() {
	local tree log=$logs/analyse-coccicheck.log
	"$repo/tools/setup/setup.sh" analyse
	tree=$(image tree)
	try "coccicheck: finds a known fault" cocci_works
	logged "$log" cocci_scripts
	analyse_lines "$repo" <"$log" >"$log.lines"
	try "coccicheck: $(wc -l <"$logs/analyse-cocci.scripts") scripts" analyse_judge coccicheck "$log.lines"
}

# Builds our objects of the debug kernel with clang; a warning is an error
clang_kernel() {
	local out=$cache/analyse/clang-kernel fragment
	local make=(make -C "$tree" O="$out" ARCH=x86_64 LLVM=1 -s -j "$jobs")
	mkdir -p "$out"
	for fragment in core x86 debug dirty-kunit soft dirty; do
		cat "$overlay/configs/$fragment.config"
		[ ! -f "$overlay/configs/$fragment-$BASE.config" ] ||
			cat "$overlay/configs/$fragment-$BASE.config"
	done >"$out/.wanted"
	"${make[@]}" KCONFIG_ALLCONFIG="$out/.wanted" allnoconfig
	[ "$(grep -cx -e CONFIG_CC_IS_CLANG=y -e CONFIG_WERROR=y -e CONFIG_IOMMUFD_DIRTY=y \
		-e CONFIG_IOMMU_DIRTY_SOFT=y "$out/.config")" -eq 4 ] || return
	"${make[@]}" prepare drivers/iommu/ drivers/vfio/
}

analyse_clang_kernel() {
	local tree log=$logs/analyse-clang-kernel.log
	"$repo/tools/setup/setup.sh" analyse kernel
	tree=$(image tree)
	try "clang: kernel" logged "$log" clang_kernel
}
