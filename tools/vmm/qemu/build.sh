#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds QEMU with our patches, which use the dirty trackers, with everything that it
# needs to run in the guest, and prints its directory, as tools/vmm/gather.sh does for
# Debian's unmodified ones. Called by tools/check/vmm.sh.
#
# Usage: build.sh [--source]
#
#   --source   only print the file with the source
#
# The source is that of Debian's qemu package; VERSION/*.patch goes on top. The directory
# is named after the version and a hash of all that it is built from.
#
# If the source cannot be had, the script exits with 4 and prints the reason (archive.sh).
. "$(dirname "$0")/../../setup/common.sh"
. "$repo/tools/setup/archive.sh"

here=$repo/tools/vmm/qemu
version=10.2.2
wanted="1:$version+ds-1"
qemu='qemu-system-x86_64'

take_source() { # version file
	rm -rf "$work/source"
	mkdir "$work/source"
	cd "$work/source"
	"${apt[@]}" source --download-only --only-source "qemu=$1"
	mv ./*.orig.tar.xz "$2"
}

unpack() { # folder
	local p
	rm -rf "$1"
	mkdir -p "$1"
	tar -xf "$tarball" -C "$1" --strip-components=1
	for p in "$here/$version"/*.patch; do
		patch -d "$1" -p1 -s --no-backup-if-mismatch <"$p" ||
			die "${p##*/} does not apply to ${tarball##*/}"
	done
	cp "$here/x86_64-softmmu.mak" "$1/configs/devices/x86_64-softmmu/iommufd-dirty.mak"
	# Debian removes these files from the source, but the build refers to them
	grep -o 'edk2-[a-z0-9_-]*\.fd' "$1/pc-bios/meson.build" | sort -u |
		while read -r p; do : >"$1/pc-bios/$p.bz2"; done
	grep -o '[a-z0-9-]*\.dtb' "$1/pc-bios/dtb/meson.build" | sort -u |
		while read -r p; do : >"$1/pc-bios/dtb/$p"; done
}

build() { # folder with the source
	mkdir -p "$1/build"
	cd "$1/build"
	# Debian's Python, which finds Debian's meson and pycotap
	../configure --python=/usr/bin/python3 --target-list=x86_64-softmmu \
		--without-default-features --without-default-devices \
		--with-devices-x86_64=iommufd-dirty --enable-system --enable-tcg \
		--enable-trace-backends=log --disable-tools --disable-docs \
		--disable-guest-agent --disable-install-blobs --disable-debug-info \
		--disable-download
	ninja -j "$jobs" "$qemu"
}

# Copies a program, the libraries that it needs, and its firmware
pick() { # program folder
	local name lib
	mkdir -p "$2/bin" "$2/lib" "$2/share"
	strip -o "$2/bin/$qemu" "$1"
	while read -r name lib; do
		cp "$lib" "$2/lib/$name"
	done < <(ldd "$1" | awk '$2 == "=>" { print $1, $3 }')
	cp "$(ldd "$1" | awk '$1 ~ /ld-linux/ { print $1 }')" "$2/ld.so"
	for name in bios-256k.bin kvmvapic.bin linuxboot_dma.bin multiboot_dma.bin; do
		lib=$(find -L /usr/share/seabios /usr/share/qemu -name "$name" -print -quit)
		[ -n "$lib" ] || die "no $name in /usr/share/seabios or /usr/share/qemu"
		cp "$lib" "$2/share"
	done
}

"$repo/tools/setup/setup.sh" qemu
"$repo/tools/setup/setup.sh" vm
# for archive.sh
archive_kind=deb-src
archive_get "$cache/vmm/source" qemu "$wanted" sid take_source
tarball=$found
if [ "${1-}" = --source ]; then
	echo "$tarball"
	exit
fi
case ${tarball##*/} in
"$version"+*) ;;
*) die_code=4 die "no source of QEMU $version, for which the patches are" ;;
esac
hash=$({ echo "${tarball##*/}"; cat "$0" "$here/x86_64-softmmu.mak" "$here/$version"/*.patch; } |
	sha256sum | cut -c1-16)
out=$cache/vmm/x86_64/patched/$version-$hash
if [ ! -e "$out" ]; then
	lock_cache vmm-qemu
	if [ ! -e "$out" ]; then
		new=$cache/vmm/new-qemu
		note "building QEMU $version with trackers (once, about 3 minutes)"
		rm -rf "$new"
		mkdir -p "${out%/*}"
		unpack "$new/src"
		logged "$cache/vmm/build-qemu.log" build "$new/src"
		pick "$new/src/build/$qemu" "$new/out"
		mv "$new/out" "$out"
		rm -rf "$new"
	fi
	unlock_cache
fi
echo "$out"
