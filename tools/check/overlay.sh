# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Tests of apply.sh on trees that are not what it expects. A tree here has only the files
# that the hooks change. Called by the stage "static", whose $tree has the originals.
# Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh and of the stage

# Makes a tree of the originals of the base kernel, with a version
overlay_tree() { # folder version
	local file
	mkdir -p "$1"
	(cd "$tree/.iommufd-dirty/orig" && find . -name '*.orig' -prune -o -type f -print) |
		while read -r file; do
			mkdir -p "$1/${file%/*}"
			cp "$tree/.iommufd-dirty/orig/$file" "$1/$file"
		done
	cp "$tree/Kbuild" "$1"
	printf 'VERSION = %s\nPATCHLEVEL = %s\n' "${2%.*}" "${2#*.}" >"$1/Makefile"
}

overlay_sum() { (cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum); }

# apply.sh must fail with a message that matches a pattern, and leave the tree alone
overlay_refused() { # tree pattern
	local before out rc=0
	before=$(overlay_sum "$1")
	out=$("$overlay/apply.sh" "$1" 2>&1) || rc=$?
	echo "exit code $rc: $out"
	[ "$rc" -ne 0 ] && [ "$(overlay_sum "$1")" = "$before" ] || return 1
	# shellcheck disable=SC2254 # a pattern
	case $out in $2) ;; *) return 1 ;; esac
}

overlay_nearest() {
	local dir=$work/overlay-nearest
	overlay_tree "$dir" "${BASE%.*}.${BASE#*.}9"
	"$overlay/apply.sh" "$dir"
	grep -q iommufd_dirty "$dir/drivers/iommu/iommufd/main.c"
	[ -L "$dir/drivers/iommu/iommufd/dirty/base.h" ]
	"$overlay/apply.sh" --remove "$dir"
	if grep iommufd_dirty "$dir/drivers/iommu/iommufd/main.c"; then
		return 1
	fi
	[ ! -e "$dir/drivers/iommu/iommufd/dirty" ]
}

overlay_local_change() {
	local dir=$work/overlay-local
	overlay_tree "$dir" "$BASE"
	sed -i 's/IOMMU_OPTION_HUGE_PAGES/IOMMU_OPTION_HUGE_ENTRIES/' "$dir/drivers/iommu/iommufd/main.c"
	overlay_refused "$dir" "*call-the-dirty-trackers.patch: drivers/iommu/iommufd/main.c: Hunk #1 FAILED at *"
}

# The hooks are in the tree, but apply.sh did not put them there
overlay_patched() {
	local dir=$work/overlay-patched patched
	overlay_tree "$dir" "$BASE"
	"$overlay/apply.sh" --copy "$dir"
	rm -rf "$dir/.iommufd-dirty"
	patched=$(overlay_sum "$dir")
	overlay_refused "$dir" "*which is unchanged: 0001-*.patch: drivers/*"
	[ "$(overlay_sum "$dir")" = "$patched" ]
}

overlay_no_tree() {
	mkdir -p "$work/overlay-empty"
	overlay_refused "$work/overlay-empty" "*is not a kernel tree"
}

overlay_tests() {
	try "apply.sh: a version without hooks of its own" overlay_nearest
	try "apply.sh: a tree with local changes" overlay_local_change
	try "apply.sh: a tree that has the hooks already" overlay_patched
	try "apply.sh: not a tree" overlay_no_tree
}
