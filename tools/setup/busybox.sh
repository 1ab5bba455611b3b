#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the path of a static busybox for guests of an architecture.
#
# Usage: busybox.sh x86_64|arm64|riscv64
#
# For the host's architecture this is the installed busybox. Otherwise it comes from the
# Debian package of the other architecture, which is downloaded once into the cache and
# not installed. The first release for riscv64 is Debian 13.
. "$(dirname "$0")/common.sh"

suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
case ${1-} in
x86_64) arch=amd64 ;;
arm64) arch=arm64 ;;
riscv64) arch=riscv64 suite=trixie ;;
*) die "usage: busybox.sh x86_64|arm64|riscv64" ;;
esac

if [ "$(dpkg --print-architecture 2>/dev/null)" = "$arch" ]; then
	command -v busybox
	exit
fi

dir=$cache/busybox/$arch
lock_cache busybox
if [ ! -x "$dir/busybox" ]; then
	note "fetching busybox-static for $arch"
	private_apt "$dir/apt" deb "$suite" \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch"
	(cd "$dir/apt" && "${apt[@]}" download busybox-static)
	dpkg-deb -x "$dir"/apt/busybox-static_*.deb "$dir/apt/root"
	# Its folder, /bin or /usr/bin, depends on the release
	find "$dir/apt/root" -type f -name busybox -exec mv {} "$dir/busybox.new" \;
	mv "$dir/busybox.new" "$dir/busybox"
	rm -rf "$dir/apt"
fi
echo "$dir/busybox"
