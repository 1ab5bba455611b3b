#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds Debian packages of the kernel with the overlay, with the kernel's own bindeb-pkg,
# and prints their paths. Called by "make kernel-deb".
#
# Usage: [CONFIG=file] [BASE=version | KSRC=tree] kernel-deb.sh [--configure]
#
# CONFIG is the configuration of a kernel for this architecture, plain or compressed with
# gzip. Without it, it is that of the running kernel with only the modules that are loaded
# now: what is plugged in later may have no driver. kernel.config comes on top of both.
# With --configure nothing is built; the path of the configuration is printed.
. "$(dirname "$0")/../setup/common.sh"

# "make kernel-deb VARIABLE=value" must not set that variable in the makefiles of the build
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

here=$repo/tools/packages
only=''
case ${1:-} in
'') ;;
--configure) only=1 ;;
*) die "unknown argument $1; usage: [CONFIG=file] kernel-deb.sh [--configure]" ;;
esac
[ $# -le 1 ] || die "one argument at most; usage: [CONFIG=file] kernel-deb.sh [--configure]"
case $(uname -m) in
x86_64) arch=x86_64 machine=CONFIG_X86_64 ;;
aarch64) arch=arm64 machine=CONFIG_ARM64 ;;
*) die "no drivers with trackers for $(uname -m)" ;;
esac

# The configuration to begin with, and where it comes from
release=$(uname -r)
if [ -n "${CONFIG:-}" ]; then
	[ -e "$CONFIG" ] || die "CONFIG=$CONFIG: no such file"
	[ -f "$CONFIG" ] || die "CONFIG=$CONFIG is not a file"
	[ -r "$CONFIG" ] || die "CONFIG=$CONFIG cannot be read"
	from=$(readlink -f "$CONFIG")
elif [ -r /proc/config.gz ]; then
	from=/proc/config.gz
elif [ -r "/boot/config-$release" ]; then
	from=/boot/config-$release
else
	die "the configuration of the running kernel is neither in /proc/config.gz nor in" \
		"/boot/config-$release: say CONFIG=file"
fi
text=$(zcat -f "$from" | tr -d '\0') || die "$from cannot be unpacked"
grep -qE '^CONFIG_[A-Z0-9_]+=' <<<"$text" || die "$from is not the configuration of a kernel"
grep -q "^$machine=y" <<<"$text" || die "$from is not for $arch: it has no $machine=y"
grep -q '^CONFIG_MODULES=y' <<<"$text" || note "$from has no modules: all drivers will be built in"

"$repo/tools/setup/setup.sh" kernel kernel-deb
tree=$("$repo/tools/overlay/build.sh" --arch "$arch" tree)
dir=$cache/packages/kernel/${tree##*/}
out=$dir/build
lock_cache "packages-kernel"
mkdir -p "$out"
kmake() { make -C "$tree" O="$out" ARCH="${arch/x86_64/x86}" -j "$jobs" -s "$@"; }

echo "$text" >"$out/.config"
if [ -z "${CONFIG:-}" ]; then
	command -v lsmod >/dev/null || die "lsmod not found: which modules are loaded? Say CONFIG=file"
	modules() { kmake localmodconfig < <(yes ''); }
	logged "$dir/config.log" modules
fi
# Later lines win, in the file as for kconfig
cat "$here/kernel.config" >>"$out/.config"
logged "$dir/config.log" kmake olddefconfig
grep -q '^CONFIG_IOMMUFD_DIRTY=y' "$out/.config" ||
	die "the configuration cannot have CONFIG_IOMMUFD_DIRTY; $from lacks something that it depends on"
grep -qE '^CONFIG_(INTEL_IOMMU|AMD_IOMMU|ARM_SMMU_V3)=' "$out/.config" ||
	die "the configuration cannot have a driver of an IOMMU that sets dirty bits"
if [ -n "$only" ]; then
	echo "$out/.config"
	exit
fi

rm -f "$dir"/*.deb
note "building a kernel package from $from (an hour or more; $dir/build.log)"
logged "$dir/build.log" kmake bindeb-pkg
printf '%s\n' "$dir"/*.deb
