#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the project's QEMU into the cache and prints the emulator's path.
#
# Usage: build.sh [ARCH]        ARCH: x86_64, the default, aarch64 or riscv64
#
# The source is Debian 13's qemu package (10.0); patches/series goes on top.
# QEMU_TARBALL= names a local source tarball to use instead of fetching one.
. "$(dirname "$0")/../setup/common.sh"

arch=${1:-x86_64}
here=$repo/tools/qemu
devices=$here/configs/$arch-softmmu.mak
suite=trixie		# the Debian release that has QEMU 10.0

[ -f "$devices" ] || die "no device list for $arch in $here/configs"

out=$cache/qemu/$arch
bin=$out/qemu-system-$arch
want=$(cd "$here" && hash_files build.sh "configs/$arch-softmmu.mak" patches/*)

current() { [ -x "$bin" ] && [ "$(cat "$out/built-from" 2>/dev/null)" = "$want" ]; }

fetch() { # sets tarball
	tarball=${QEMU_TARBALL:-$(find "$cache/qemu" -maxdepth 1 -name 'qemu_*.orig.tar.xz' | sort -V | tail -n 1)}
	[ -z "$tarball" ] || return 0
	note "fetching the QEMU source"
	local dir=$cache/qemu/apt apt
	private_apt "$dir" deb-src "$suite"
	(cd "$cache/qemu" && "${apt[@]}" source --download-only qemu)
	rm -rf "$dir"
	tarball=$(find "$cache/qemu" -maxdepth 1 -name 'qemu_*.orig.tar.xz' | sort -V | tail -n 1)
	[ -n "$tarball" ] || die "apt-get source qemu fetched no tarball"
}

unpack() { # into $src
	local p
	rm -rf "$src"
	mkdir -p "$src"
	tar -xf "$tarball" -C "$src" --strip-components=1
	while read -r p; do
		patch -d "$src" -p1 -s --no-backup-if-mismatch <"$here/patches/$p" ||
			die "$p does not apply to ${tarball##*/}"
	done < <(grep -v '^#' "$here/patches/series")
	cp "$devices" "$src/configs/devices/$arch-softmmu/iommufd-dirty.mak"
	# Debian removes the firmware from the tarball, but the build refers to it
	grep -o 'edk2-[a-z0-9_-]*\.fd' "$src/pc-bios/meson.build" | sort -u |
		while read -r p; do : >"$src/pc-bios/$p.bz2"; done
}

build() {
	local accel=(--enable-tcg)
	# KVM only runs guests of the host's architecture
	[ "$arch" != "$(uname -m)" ] || accel+=(--enable-kvm)
	mkdir -p "$src/build"
	cd "$src/build"
	# Debian's Python, which finds Debian's meson and pycotap
	../configure --python=/usr/bin/python3 --target-list="$arch-softmmu" \
		--without-default-features --without-default-devices \
		--with-devices-"$arch"=iommufd-dirty --enable-system "${accel[@]}" \
		--enable-fdt=system --disable-tools --disable-docs \
		--disable-guest-agent --disable-install-blobs --disable-debug-info \
		--disable-werror --disable-download
	ninja -j "$jobs" "qemu-system-$arch"
	strip -o "$out/qemu.new" "qemu-system-$arch"
}

if ! current; then
	"$repo/tools/setup/setup.sh" qemu
	lock_cache qemu
	if ! current; then
		src=$cache/qemu/src-$arch
		mkdir -p "$out"
		fetch
		note "building QEMU for $arch (once, about 2 minutes)"
		unpack
		logged "$out/build.log" build
		mv "$out/qemu.new" "$bin"
		echo "$want" >"$out/built-from"
		rm -rf "$src"
	fi
fi
echo "$bin"
