#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Puts the overlay on a kernel tree: links the project's files and applies the hooks.
#
# Usage: apply.sh [--copy | --remove] KSRC
#
# Links every file of the repo's drivers/ and include/ into KSRC, those of
# base/<base>/, the selftests and tools/devices/ into its
# tools/testing/selftests/iommufd_dirty/, and applies hooks/<base>/*.patch in the order
# of hooks/<base>/series, where <base> is the tree's VERSION.PATCHLEVEL. For other
# versions, <base> is the next older one for which there are hooks, or the oldest. If
# the hooks do not apply, the tree is not changed. The script can run repeatedly: it
# writes only files whose content changes, so the kernel's build rebuilds only what
# depends on them. --remove removes the overlay. The original files are kept in
# KSRC/.iommufd-dirty.
#
# --copy creates copies instead of links. A copy has a new time stamp exactly if its
# content is new, whichever checkout it comes from.
. "$(dirname "$0")/../setup/common.sh"

remove='' copy=''
case ${1:-} in
--remove) remove=1; shift ;;
--copy) copy=1; shift ;;
esac
[ $# -eq 1 ] || die "usage: apply.sh [--copy | --remove] KSRC"
[ -f "$1/Kbuild" ] || die "$1 is not a kernel tree"
ksrc=$(cd "$1" && pwd)

# state/orig/FILE: before the hooks; state/hooked/FILE: as this script wrote it
state=$ksrc/.iommufd-dirty
version=$(tree_version "$ksrc")
base=$(nearest_base "$version")
hooks=$repo/tools/overlay/hooks/$base
basedir=tools/overlay/base/$base
kselftest=tools/testing/selftests

files_in() { (cd "$1" 2>/dev/null && find . -type f -printf '%P\n' | sort) || true; }

# If a file differs from its copy in state/hooked, the tree was updated: it is an original
original() { # file: prints the path of its original
	if [ -f "$state/hooked/$1" ] && cmp -s "$ksrc/$1" "$state/hooked/$1"; then
		echo "$state/orig/$1"
	else
		echo "$ksrc/$1"
	fi
}

ours() { # our files, as paths in the tree
	[ -n "$remove" ] || (cd "$repo" && find drivers include selftests tools/devices "$basedir" -type f \
		\( -name .kunitconfig -o ! -name '.*' \) ! -name '*~' ! -name '*.orig' ! -name '*.rej' ! -name '*.o' |
		sed -e "s#^selftests/#$kselftest/#" -e "s#^tools/devices/#$kselftest/iommufd_dirty/devices/#" \
			-e "s#^$basedir/##" | sort)
}

in_repo() { # path in the tree: sets source to the path in the repo
	source=${1/#$kselftest\/iommufd_dirty\/devices\//tools\/devices\/}
	source=$repo/${source/#$kselftest\//selftests\/}
	[ ! -f "$repo/$basedir/$1" ] || source=$repo/$basedir/$1
}

put() { # from to: copies only if the content differs
	cmp -s "$1" "$2" && return
	mkdir -p "${2%/*}"
	cp "$1" "$2.new"
	mv "$2.new" "$2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 1. Apply the hooks to copies of the originals. This does not change the tree
mkdir "$work/new"
touched=()
if [ -z "$remove" ]; then
	[ -f "$hooks/series" ] ||
		die "no hooks for Linux $base, $ksrc is unchanged"
	mapfile -t series < <(grep -v -e '^#' -e '^$' "$hooks/series")
	for patch in "${series[@]}"; do
		[ -f "$hooks/$patch" ] || die "$hooks/series names $patch, which does not exist"
	done
	mapfile -t touched < <(cd "$hooks" && cat "${series[@]}" |
		sed -n -E 's#^(---|\+\+\+) [ab]/([^[:space:]]+).*#\2#p' | sort -u)
	for file in "${touched[@]}"; do
		from=$(original "$file")
		mkdir -p "$work/new/${file%/*}"
		[ ! -f "$from" ] || cp "$from" "$work/new/$file"
	done
	for patch in "${series[@]}"; do
		if ! (cd "$work/new" && patch -p1 -F0 -N -t --no-backup-if-mismatch) \
			<"$hooks/$patch" >"$work/why" 2>&1; then
			# the first hunk that fails, after the name of its file
			why=$(awk '/^patching file/ { file = $3 ": " }
				/FAILED|Reversed|previously applied|No file/ { print file $0; exit }' "$work/why")
			die "the hooks for Linux $base do not apply to $ksrc (Linux $version), which is unchanged: $patch: ${why:-$(head -n 1 "$work/why")}"
		fi
	done
fi
ours >"$work/ours"
while read -r file; do
	if [ -e "$ksrc/$file" ] && [ ! -L "$ksrc/$file" ] && [ "$(original "$file")" = "$ksrc/$file" ]; then
		die "$ksrc already has a different $file, the tree is unchanged"
	fi
done <"$work/ours"
: >"$work/links"
if [ -n "$copy" ]; then
	while read -r file; do
		in_repo "$file"
		mkdir -p "$work/new/${file%/*}"
		cp "$source" "$work/new/$file"
	done <"$work/ours"
	mapfile -t -O ${#touched[@]} touched <"$work/ours"
else
	cp "$work/ours" "$work/links"
fi

# 2. Remove obsolete links
if [ -f "$state/links" ]; then
	comm -23 "$state/links" "$work/links" | while read -r link; do
		[ ! -L "$ksrc/$link" ] || rm "$ksrc/$link"
		rmdir -p --ignore-fail-on-non-empty "$ksrc/${link%/*}" 2>/dev/null || true
	done
fi

# 3. Install the hooked files and the copies; restore files that are no longer either
for file in "${touched[@]}"; do
	from=$(original "$file")
	if [ "$from" = "$ksrc/$file" ] && [ -f "$from" ]; then
		put "$from" "$state/orig/$file"
	fi
	put "$work/new/$file" "$state/hooked/$file"
	put "$work/new/$file" "$ksrc/$file"
done
for file in $(files_in "$state/hooked"); do
	[ ! -f "$work/new/$file" ] || continue
	from=$(original "$file")
	if [ ! -f "$from" ]; then
		rm "$ksrc/$file"
		rmdir -p --ignore-fail-on-non-empty "$ksrc/${file%/*}" 2>/dev/null || true
	else
		put "$from" "$ksrc/$file"
	fi
	rm -f "$state/orig/$file" "$state/hooked/$file"
done

# 4. Create the links
while read -r link; do
	in_repo "$link"
	[ "$(readlink "$ksrc/$link")" != "$source" ] || continue
	mkdir -p "$ksrc/${link%/*}"
	ln -sfn "$source" "$ksrc/$link"
done <"$work/links"
if [ -n "$remove" ]; then
	rm -rf "$state"
else
	mkdir -p "$state"
	put "$work/links" "$state/links"
fi
