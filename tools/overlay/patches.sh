#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes the hooks and our files as series of patches that git am applies to an unmodified
# kernel, with cover letters.
#
# Usage: [BASE=7.3] patches.sh [--check] FOLDER
#
# FOLDER gets a folder for each series of patches/series. --check applies them to an
# unmodified tree with git am, each on top of the one that it needs, builds drivers/iommu
# and drivers/vfio for x86_64 after each patch, and compares the results with what was
# written. The code of Arm and RISC-V is not compiled.
. "$(dirname "$0")/../setup/common.sh"

check=''
if [ "${1:-}" = --check ]; then
	check=1
	shift
fi
[ $# -eq 1 ] || die "usage: patches.sh [--check] FOLDER"
mkdir -p "$1"
out=$(cd "$1" && pwd)
export BASE=${BASE:-7.3}
here=$repo/tools/overlay
hooks=$here/hooks/$BASE
[ -d "$hooks" ] || die "no hooks for Linux $BASE"
git=(git -c user.name='iommufd-dirty developers' -c user.email=iommufd-dirty@localhost
	-c commit.gpgsign=false -c core.hooksPath=/dev/null)

# A tree of its own, with only the files that the patches change under git. Sets tree
tree_under_git() {
	local overlaid
	overlaid=$("$here/build.sh" tree)
	tree=$cache/patches/${overlaid##*/}
	mkdir -p "$tree"
	rsync -a --delete --exclude /.git --exclude /.build --link-dest="$overlaid" "$overlaid/" "$tree/"
	"$here/apply.sh" --remove "$tree"
	rm -rf "$tree/.git"
	"${git[@]}" -C "$tree" init -q
	printf '*\n' >"$tree/.git/info/exclude"
	sed -n -E 's#^--- a/([^[:space:]]+).*#\1#p' "$hooks"/*.patch "$here"/patches/*/*.patch | sort -u |
		(cd "$tree" && while read -r file; do [ ! -f "$file" ] || echo "$file"; done) |
		"${git[@]}" -C "$tree" add -f --pathspec-from-file=-
	"${git[@]}" -C "$tree" commit -q -m "Linux $BASE"
	"${git[@]}" -C "$tree" tag unmodified
}

copy() { # file or folder of ours, below the repo or the base folder
	local from file
	[ -e "$repo/$1" ] || [ -e "$here/base/$BASE/$1" ] || die "patches/series: there is no $1"
	for from in "$repo" "$here/base/$BASE"; do
		[ -e "$from/$1" ] || continue
		(cd "$from" && find "$1" -type f \( -name .kunitconfig -o ! -name '.*' \) ! -name '*~' \
			! -name '*.orig' ! -name '*.rej' ! -name '*.o') |
			while read -r file; do
				mkdir -p "$tree/${file%/*}"
				# not through a hard link
				rm -f "$tree/$file"
				cp "$from/$file" "$tree/$file"
				"${git[@]}" -C "$tree" add -f "$file"
			done
	done
}

commit() { # series, beginning of a patch's name, files of ours...
	local patch path folders=("$hooks")
	[ ! -d "$here/patches/$1" ] || folders+=("$here/patches/$1")
	shift
	patch=$(find "${folders[@]}" -name "[0-9][0-9][0-9][0-9]-$1*.patch")
	[ -f "$patch" ] || die "patches/series: no patch, or several, begin with $1"
	"${git[@]}" -C "$tree" am -q "$patch"
	shift
	for path; do
		copy "$path"
	done
	[ $# -eq 0 ] || "${git[@]}" -C "$tree" commit -q --amend --no-edit
}

write_series() { # name prefix first-commit
	local cover=$out/$1/0000-cover-letter.patch subject
	rm -rf "${out:?}/$1"
	"${git[@]}" -C "$tree" format-patch -q --cover-letter --zero-commit --no-signature \
		--subject-prefix="$2" -o "$out/$1" "$3..HEAD"
	subject=$(head -n 1 "$here/patches/$1.cover")
	sed -i "s/\*\*\* SUBJECT HERE \*\*\*/$subject/" "$cover"
	tail -n +3 "$here/patches/$1.cover" >"$out/$1/.text"
	sed -i -e "/\*\*\* BLURB HERE \*\*\*/{r $out/$1/.text" -e 'd}' "$cover"
	rm "$out/$1/.text"
	"${git[@]}" -C "$tree" tag "end-$1"
	note "$out/$1: $(find "$out/$1" -name '*.patch' | wc -l) files"
}

write_all() {
	local word rest name='' prefix='' after first=unmodified
	while read -r word rest; do
		case $word in
		'' | '#') ;;
		series)
			[ -z "$name" ] || write_series "$name" "$prefix" "$first"
			read -r name prefix after <<<"$rest"
			[ -z "$after" ] || "${git[@]}" -C "$tree" checkout -q "end-$after"
			first=$("${git[@]}" -C "$tree" rev-parse HEAD)
			;;
		*)
			# shellcheck disable=SC2086 # a list
			commit "$name" "$word" $rest
			;;
		esac
	done < <(grep -v '^#' "$here/patches/series")
	write_series "$name" "$prefix" "$first"
	patches_complete
}

# Each patch must be in a series, and each of our files must belong to one
patches_complete() {
	local tag missing
	missing=$(comm -13 \
		<("${git[@]}" -C "$tree" tag -l 'end-*' | while read -r tag; do
			"${git[@]}" -C "$tree" ls-tree -r --name-only "$tag"
		done | sort -u) \
		<({
			cd "$repo" && find drivers include -type f -name '*.[ch]'
			cd "$here/base/$BASE" && find drivers include -type f
		} | sort -u))
	[ -z "$missing" ] || die "patches/series names no patch for: ${missing//$'\n'/ }"
	# Several series can need the same hook
	[ "$(sed -n '/^series /d; s/^\([^#[:space:]]*\).*/\1/p' "$here/patches/series" | grep . | sort -u | wc -l)" -eq \
		"$(find "$hooks" "$here/patches" -name '*.patch' | wc -l)" ] ||
		die "patches/series does not name each patch"
}

kmake() { make -s -C "$tree" O="$tree/.build" ARCH=x86_64 -j "$jobs" "$@"; }

# With the options of the unmodified kernel, and those of the series as they appear
configure() {
	mkdir -p "$tree/.build"
	cat "$here"/configs/{core,x86,upstream,module,dirty}.config >"$tree/.build/.wanted"
	logged "$tree/.build/config.log" kmake KCONFIG_ALLCONFIG="$tree/.build/.wanted" allnoconfig
}

check_all() {
	local name after patch
	"${git[@]}" -C "$tree" checkout -q unmodified
	while read -r _ name _ after; do
		[ -z "$after" ] || "${git[@]}" -C "$tree" checkout -q "end-$after"
		for patch in "$out/$name"/[0-9]*.patch; do
			[[ $patch != */0000-* ]] || continue
			note "${patch#"$out/"}"
			"${git[@]}" -C "$tree" am -q "$patch"
			configure
			logged "$tree/.build/build.log" kmake prepare drivers/iommu/ drivers/vfio/
		done
		[ -z "$("${git[@]}" -C "$tree" diff --stat "end-$name")" ] ||
			die "the patches in $out/$name do not lead to the tree that they were made from"
	done < <(grep '^series ' "$here/patches/series")
}

"$repo/tools/setup/setup.sh" kernel
lock_cache "patches-$BASE"
tree_under_git
write_all
[ -z "$check" ] || check_all
