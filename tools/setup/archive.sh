# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Takes one version of a package out of Debian's archive and keeps it in the cache, in a
# file or folder that is named after the version. The packages of this machine do not
# change. With archive_kind=deb-src the package is a source package. Sourced by
# tools/vmm/gather.sh, tools/vmm/qemu/build.sh and tools/setup/kernel.sh.

archive_name() { echo "${1#*:}"; } # version: without the epoch, which is not for file names

# Sets found if the cache has the wanted version, or the one that is used instead because
# the archive no longer has it
archive_have() { # folder version
	local instead
	instead=$1/instead-of-$(archive_name "$2")
	if [ -e "$1/$(archive_name "$2")" ]; then
		found=$1/$(archive_name "$2")
	elif [ -e "$instead" ]; then
		found=$(readlink -f "$instead")
	else
		return 1
	fi
}

# Sets found or why. Must not be called in a condition: the function must stop at its
# first error
archive_ask() { # folder package version suites function apt-option...
	local dir=$1 package=$2 wanted=$3 suites=$4 fetch=$5 version versions apt rc
	shift 5
	note "fetching Debian's $package $(archive_name "$wanted")"
	if ! private_apt "$work/apt" "${archive_kind:-deb}" "$suites" -o Dir::State::status=/dev/null "$@" \
		>"$work/log" 2>&1; then
		why="the archive does not answer: $(grep -m 1 '^[EW]:' "$work/log" || true)"
		return
	fi
	mapfile -t versions < <(apt-cache "${apt[@]:2}" madison "$package" | awk '{print $3}' | sort -rV)
	# only the wanted version if there is one, else the newest that can be fetched
	[[ " ${versions[*]} " != *" $wanted "* ]] || versions=("$wanted")
	for version in "${versions[@]}"; do
		rm -rf "$work/new"
		set +e
		(LOG_TAIL=5 logged "$work/log" "$fetch" "$version" "$work/new")
		rc=$?
		set -e
		[ "$rc" -eq 0 ] || continue
		found=$dir/$(archive_name "$version")
		rm -rf "$found"
		mv "$work/new" "$found"
		if [ "$version" != "$wanted" ]; then
			note "the archive no longer has $package $(archive_name "$wanted")"
			ln -sfn "$(archive_name "$version")" "$dir/instead-of-$(archive_name "$wanted")"
		fi
		return
	done
	why="no version in the archive could be fetched: ${versions[*]:-none}"
}

# Sets found to the file or folder of the wanted version. If the archive no longer has it,
# the newest version of the archive is used; if the archive does not answer, the newest
# one in the cache. Exits with 4 if there is none, and prints the reason.
#
# FUNCTION VERSION NEW takes what is wanted out of the package and puts it at NEW. It can
# use $apt, which knows the archive, and the folder $work
archive_get() { # folder package version suites function apt-option...
	local why=''
	found=''
	archive_have "$1" "$3" && return
	lock_cache "archive-$2"
	archive_have "$1" "$3" && return
	mkdir -p "$1"
	work=$(mktemp -d "$1/.work-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	archive_ask "$@"
	if [ -z "$found" ]; then
		found=$(find "$1" -mindepth 1 -maxdepth 1 -name '[0-9]*' | sort -V | tail -n 1)
		[ -n "$found" ] || die_code=4 die "no $2: $why"
		note "$2: $why"
	fi
	note "$2: ${found##*/} is used"
	unlock_cache
}
