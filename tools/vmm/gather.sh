#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Puts Debian's unmodified QEMU, with everything that it needs to run in the guest, into
# the cache and prints its directory. The packages of this machine do not change.
# Called by tools/check/vmm.sh.
#
# Usage: gather.sh 10|11 x86_64|arm64
#
#   10    from Debian 12's backports
#   11    from Debian 13's backports
#
# The directory has bin/, lib/, share/ and ld.so:
#   ld.so --library-path lib bin/qemu-system-x86_64 -L share ...
#
# The directory is named after the package version. The wanted version is downloaded
# once. If the archive no longer has it, the newest version of the archive is used; if the
# archive does not answer, the newest one in the cache. Exits with 4 if there is none, and
# prints the reason.
. "$(dirname "$0")/../setup/common.sh"

usage="usage: gather.sh 10|11 x86_64|arm64"
case ${1-} in
10) release=bookworm wanted='1:10.0.2+ds-2+deb13u1~bpo12+1' ;;
11) release=trixie wanted='1:11.1.3+ds-1~bpo13+1' ;;
*) die "$usage" ;;
esac
case ${2-} in
x86_64)
	arch=amd64 package=qemu-system-x86 qemu=qemu-system-x86_64
	triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2
	blobs=(bios-256k.bin kvmvapic.bin linuxboot_dma.bin multiboot_dma.bin)
	;;
arm64)
	arch=arm64 package=qemu-system-arm qemu=qemu-system-aarch64
	triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1
	blobs=()
	;;
*) die "$usage" ;;
esac
dir=$cache/vmm/$2/$1		# of this release, with a directory per version
name_of() { echo "${1#*:}"; }
# Link to the version that is used instead of one that the archive no longer has
instead=$dir/instead-of-$(name_of "$wanted")

have() { # sets found
	if [ -e "$dir/$(name_of "$wanted")/ld.so" ]; then
		found=$dir/$(name_of "$wanted")
	elif [ -e "$instead/ld.so" ]; then
		found=$(readlink -f "$instead")
	else
		return 1
	fi
}

# Finds a file of the packages, and resolves links as if the packages were installed
unpacked() { # name
	local file to
	file=$(find "$work/root" -name "$1" ! -type d -path "*/$triplet/*" -print -quit)
	[ -n "$file" ] || { echo "no $1 in the packages that $package needs"; return 1; }
	while [ -L "$file" ]; do
		to=$(readlink "$file")
		case $to in
		/*) file=$work/root$to ;;
		*) file=$(dirname "$file")/$to ;;
		esac
	done
	echo "$file"
}

# Copies the program and the libraries that it needs, directly or indirectly
pick() { # directory
	local file lib name needed todo
	declare -A seen=()
	mkdir -p "$1/bin" "$1/lib" "$1/share"
	cp "$work/root/usr/bin/$qemu" "$1/bin"
	for name in "${blobs[@]}"; do
		file=$(find "$work/root/usr/share" -name "$name" -type f -print -quit)
		cp "$file" "$1/share"
	done
	todo=("$1/bin/$qemu")
	while [ ${#todo[@]} -gt 0 ]; do
		file=${todo[0]} todo=("${todo[@]:1}")
		needed=$(readelf -d "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
		for name in $needed; do
			[ -z "${seen[$name]:-}" ] || continue
			seen[$name]=1
			lib=$(unpacked "$name")
			cp "$lib" "$1/lib/$name"
			todo+=("$lib")
		done
	done
	lib=$(unpacked "$loader")
	cp "$lib" "$1/ld.so"
}

fetch() { # version
	local packages deb new=$work/new
	rm -rf "$work/root" "$work/debs" "$new"
	mkdir -p "$work/root" "$work/debs"
	packages=$("${apt[@]}" -s install -t "$release-backports" --no-install-recommends \
		"$package=$1" | awk '/^Inst/ {print $2}')
	cd "$work/debs"
	# shellcheck disable=SC2086 # a list
	"${apt[@]}" -t "$release-backports" download ${packages/$package/$package=$1}
	for deb in *.deb; do dpkg-deb -x "$deb" "$work/root"; done
	pick "$new"
	[ -s "$new/bin/$qemu" ] && [ -s "$new/ld.so" ]
	rm -rf "${dir:?}/$(name_of "$1")"
	mv "$new" "$dir/$(name_of "$1")"
}

# Sets found or why. Must not be called in a condition: fetch must stop at its first error
from_archive() {
	local version versions apt rc
	note "gathering Debian's $package $(name_of "$wanted") for $arch"
	if ! private_apt "$work/apt" deb "$release $release-backports" \
		-o Dir::State::status=/dev/null -o APT::Architecture="$arch" \
		-o APT::Architectures="$arch" >"$work/log" 2>&1; then
		why="the archive does not answer: $(grep -m 1 '^[EW]:' "$work/log" || true)"
		return
	fi
	mapfile -t versions < <(apt-cache "${apt[@]:2}" madison "$package" | awk '{print $3}' | sort -rV)
	# only the wanted version if there is one, else the newest that can be fetched
	[[ " ${versions[*]} " != *" $wanted "* ]] || versions=("$wanted")
	for version in "${versions[@]}"; do
		set +e
		(LOG_TAIL=5 logged "$work/log" fetch "$version")
		rc=$?
		set -e
		[ "$rc" -eq 0 ] || continue
		found=$dir/$(name_of "$version")
		if [ "$version" != "$wanted" ]; then
			note "the archive no longer has $package $(name_of "$wanted")"
			ln -sfn "$(name_of "$version")" "$instead"
		fi
		return
	done
	why="no version in the archive could be fetched: ${versions[*]:-none}"
}

cached() { # the newest version in the cache
	find "$dir" -mindepth 2 -maxdepth 2 -name ld.so -printf '%h\n' | sort -V | tail -n 1
}

found='' why=''
if ! have; then
	lock_cache vmm
	if ! have; then
		"$repo/tools/setup/setup.sh" vmm
		mkdir -p "$dir"
		work=$(mktemp -d "$dir/.work-XXXXXX")
		trap 'rm -rf "$work"' EXIT
		from_archive
		if [ -z "$found" ]; then
			found=$(cached)
			[ -n "$found" ] || die_code=4 die "no $package for $arch: $why"
			note "$package for $arch: $why"
		fi
		note "$package for $arch: ${found##*/} is used"
	fi
fi
echo "$found"
