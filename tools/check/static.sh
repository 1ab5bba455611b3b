# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "static": checks of the source files. Sourced by check.sh.
#
# A file that has passed is checked again only after the file or the checker changes.
# shellcheck disable=SC2154,SC2034 # variables of check.sh; batch gets names of lists

ours() { # prints the names of our kernel files that match the tests of find
	(cd "$repo" && find drivers include -type f "$@" | sort)
}

# Prints the same for a base kernel with its own files of ours, with their names in the tree
ours_in_tree() { # base kernel, tests of find
	local base=$1
	shift
	{
		ours "$@"
		(cd "$repo/tools/overlay/base/$base" && find drivers include -type f "$@")
	} | sort
}

# Runs one test per file. The checker gets all files at once; if it reports any, each alone
batch() { # title, what else the result depends on, name of a list of files, checker
	local title=$1 salt=$2 checker=$4 f key out sums todo=()
	local -n files=$3
	declare -A keys
	if [ ${#files[@]} -eq 0 ]; then
		failed "$title: no files for $checker"
		return
	fi
	salt+=$(declare -f "$checker" checkpatch in_repo)
	sums=$(cd "$repo" && sha256sum "${files[@]}")
	while read -r key f; do
		keys[$f]=$known/$(hash_files <(echo "$title $salt $f $key"))
		[ -e "${keys[$f]}" ] || todo+=("$f")
	done <<<"$sums"
	if [ ${#todo[@]} -gt 0 ] && out=$(in_repo "$checker" "${todo[@]}" 2>&1) && [ -z "$out" ]; then
		for f in "${todo[@]}"; do
			touch "${keys[$f]}"
		done
	fi
	for f in "${files[@]}"; do
		if [ -e "${keys[$f]}" ]; then
			passed "$title $f"
		else
			try "$title $f" in_repo "$checker" "$f"
		fi
	done
}

in_repo() { (cd "$repo" && "$@"); }

# Runs in the tree, which has copies of our files
checkpatch() { env -C "$tree" scripts/checkpatch.pl --strict -q --show-types "$@"; }
checkpatch_kernel() { checkpatch -f "$@"; }
# trace event macros break these rules in every tree
checkpatch_trace() { checkpatch --ignore "PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE" -f "$@"; }
checkpatch_hooks() { checkpatch --ignore FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID "${@/#/$repo/}"; }
# generic_pt defines a macro right after the function that it names
checkpatch_generic_pt() {
	checkpatch --ignore FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID,LINE_SPACING "${@/#/$repo/}"
}
checkpatch_user() { checkpatch --no-tree -f "${@/#/$repo/}"; }
kernel_doc() { "$tree/scripts/kernel-doc" -none -Werror "$@"; }
shell_check() { shellcheck -x -P SCRIPTDIR "$@"; }

# Each program.test that the documentation names as a proof must exist
documented_tests() {
	local t tests missing=
	tests=$(grep -oE '\b[a-z_]+\.[a-z0-9_]+\b' \
		"$repo/Documentation/userspace-api/iommufd_dirty_questions.rst" | sort -u)
	while read -r t; do
		grep -qE "^TEST_F\(${t%.*}, ${t#*.}\)" "$repo"/selftests/iommufd_dirty/*/"${t%.*}.c" || missing+=" $t"
	done <<<"$tests"
	[ -z "$missing" ] || { echo "no such test:$missing"; return 1; }
}

# The C example in the README must be a file that the tests run
readme_example() {
	diff -u <(sed '0,/^```c$/d;/^```$/,$d' "$repo/README.md") "$repo/tools/lib/examples/precopy.c"
}

# Finds #include lines that tools/check/arrows forbids. Each pattern there must match a file
arrows() {
	local pattern forbidden files bad=0
	while IFS=$'\t' read -r pattern forbidden; do
		mapfile -t files < <(cd "$repo" && git ls-files --cached --others --exclude-standard -- ":(glob)$pattern")
		if [ ${#files[@]} -eq 0 ]; then
			echo "no file matches $pattern"
			bad=1
		elif (cd "$repo" && grep -nE "^#include $forbidden" "${files[@]}" /dev/null); then
			bad=1
		fi
	done < <(grep -v '^#' "$here/arrows")
	return "$bad"
}

stage_static() {
	local tree known=$cache/check/known salt list
	"$repo/tools/setup/setup.sh" check
	tree=$("$overlay/build.sh" tree)
	mkdir -p "$known"
	salt=$(hash_files "$tree"/scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch,kernel-doc})
	mapfile -t list < <(ours -name '*.[ch]' ! -path 'include/trace/*')
	batch checkpatch "$salt" list checkpatch_kernel
	mapfile -t list < <(ours -name '*.[ch]' -path 'include/trace/*')
	batch checkpatch "$salt" list checkpatch_trace
	mapfile -t list < <(ours -name '*.[ch]')
	batch kernel-doc "$salt" list kernel_doc
	mapfile -t list < <(cd "$repo" && find tools/overlay/hooks -name '*.patch' ! -name '*-iommupt-*' | sort)
	batch checkpatch "$salt" list checkpatch_hooks
	mapfile -t list < <(cd "$repo" && find tools/overlay/hooks -name '*-iommupt-*.patch' | sort)
	batch checkpatch "$salt" list checkpatch_generic_pt
	mapfile -t list < <(cd "$repo" && find selftests tools -name '*.[ch]' ! -path 'tools/lib/uapi/*' | sort)
	batch checkpatch "$salt" list checkpatch_user
	mapfile -t list < <(cd "$repo" && grep -rlE -e '^#!/bin/(ba)?sh' -e '^# shellcheck shell=' tools .ci | sort)
	# with -x, the result depends on the sourced files, too
	salt=$(shellcheck --version)$(cd "$repo" && hash_files "${list[@]}")
	batch shellcheck "$salt" list shell_check
	try "tests named in the documentation exist" documented_tests
	try "the example of the README is tested" readme_example
	try "calls go one way" arrows
	try "syzkaller's description matches the headers" "$here/syz-in-step.py" "$tree"
	try "patches for VMMs in Rust are well-formed" "$repo/tools/vmm/rust-series.sh" form
	try "faults in patches for VMMs in Rust are noticed" "$repo/tools/vmm/rust-series.sh" faults
	try "what results.py counts as a failure" "$here/results_test.py"
	overlay_tests
	try "each mutation applies" "$here/mutations.py" check "$repo"
}
