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
# If no version can be had, the script exits with 4 and prints the reason (archive.sh).
. "$(dirname "$0")/../setup/common.sh"
. "$repo/tools/setup/archive.sh"

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

take_qemu() { # version folder
	local packages deb
	rm -rf "$work/root" "$work/debs"
	mkdir -p "$work/root" "$work/debs"
	packages=$("${apt[@]}" -s install -t "$release-backports" --no-install-recommends \
		"$package=$1" | awk '/^Inst/ {print $2}')
	cd "$work/debs"
	# shellcheck disable=SC2086 # a list
	"${apt[@]}" -t "$release-backports" download ${packages/$package/$package=$1}
	for deb in *.deb; do dpkg-deb -x "$deb" "$work/root"; done
	pick "$2"
	[ -s "$2/bin/$qemu" ] && [ -s "$2/ld.so" ]
}

"$repo/tools/setup/setup.sh" vmm
archive_get "$cache/vmm/$2/$1" "$package" "$wanted" "$release $release-backports" take_qemu \
	-o APT::Architecture="$arch" -o APT::Architectures="$arch"
echo "$found"
