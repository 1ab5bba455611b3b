# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "packages": builds the Debian packages and the RPMs, and tries the Debian ones in
# a fresh Debian. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

# Runs a command in the fresh Debian; what it starts ends with it. Packages that apt fetches
# stay in the cache
packages_in() { # command...
	# shellcheck disable=SC2016 # variables of the other shell
	unshare --mount --pid --fork --kill-child sh -ec '
		root=$1 archives=$2
		shift 2
		mount --bind "$archives" "$root/var/cache/apt/archives"
		mount -t proc proc "$root/proc"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' - \
		"$root" "$cache/debian/archives" "$@"
}

packages_fresh() {
	local tar
	tar=$("$repo/tools/packages/root.sh")
	rm -rf "$root"
	mkdir -p "$root" "$cache/debian/archives/partial"
	tar -C "$root" -xf "$tar"
	mkdir "$root/packages"
	cp "$debs"/*.deb "$repo/tools/iommu/tests/sample.rec" "$root/packages"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	# dpkg need not wait for the disk
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
	packages_in apt-get -q update
}

packages_install() { # package or file...
	packages_in apt-get -q -y --no-install-recommends install "$@"
}

packages_deb() { # package: its file
	find "$debs" -name "$1_*.deb" -printf '/packages/%f\n'
}

packages_command() {
	packages_install "$(packages_deb libiommudirty1)" "$(packages_deb iommu-dirty)"
	diff - <(packages_in iommu-dirty --version) <<<"iommu-dirty $version, libiommudirty $version"
	packages_in iommu-dirty help | grep -q heatmap
	packages_in iommu-dirty heatmap -r 4 -c 32 /packages/sample.rec |
		diff "$repo/tools/iommu/tests/heatmap.txt" -
	packages_in bash -c '. /usr/share/bash-completion/completions/iommu-dirty; complete -p iommu-dirty'
	packages_in test -e /usr/share/man/man8/iommu-dirty.8.gz
}

packages_plot() {
	packages_install "$(packages_deb iommu-dirty-plot)"
	packages_in iommu-dirty heatmap -o /packages/sample.svg /packages/sample.rec
	grep -q '</svg>' "$root/packages/sample.svg"
}

# An example, as a user would build it
packages_dev() {
	local kind
	packages_install "$(packages_deb libiommudirty-dev)" "$(packages_deb libiommudirty-doc)" \
		gcc libc6-dev pkg-config
	packages_in test -e /usr/share/man/man3/idirty_open.3.gz
	for kind in '' -static; do
		# shellcheck disable=SC2016 # the other shell's
		packages_in sh -ec 'gcc -Wall -Werror $1 -o /packages/example \
			/usr/share/doc/libiommudirty/examples/bitmap.c \
			$(pkg-config --cflags --libs ${1:+-}$1 libiommudirty)' - "$kind"
		packages_in /packages/example |
			diff <(sed -n '/^== bitmap$/,/^==/{/^==/!p}' "$repo/tools/lib/tests/examples.txt") -
	done
}

packages_python() {
	packages_install "$(packages_deb python3-iommudirty)"
	diff - <(packages_in python3 -c \
		'import iommudirty as i; print(i.ffi.string(i.lib.idirty_version()).decode())') <<<"$version"
}

packages_purge() {
	local name left
	for name in python3-iommudirty iommu-dirty-plot iommu-dirty libiommudirty-{dev,doc} libiommudirty1; do
		packages_in dpkg --purge "$name"
	done
	left=$(packages_in find / -xdev -path /packages -prune -o -path /proc -prune -o \
		-path /var/cache/apt/archives -prune -o -name '*iommu*dirty*' -print)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

# What "make kernel-deb" refuses, before it takes any time
packages_kernel_refuses() {
	local dir rc=0
	dir=$(mktemp -d)
	echo "no configuration" >"$dir/text"
	echo "CONFIG_ARM=y" >"$dir/arm"
	CONFIG=$dir/none packages_kernel_error "no such file" || rc=1
	CONFIG=$dir packages_kernel_error "is not a file" || rc=1
	CONFIG=$dir/text packages_kernel_error "is not the configuration of a kernel" || rc=1
	CONFIG=$dir/arm packages_kernel_error "is not for" || rc=1
	CONFIG='' packages_kernel_error "unknown argument --debug" --debug || rc=1
	rm -rf "$dir"
	return "$rc"
}

packages_kernel_error() { # expected part of the message, argument...
	local out rc=0
	out=$("$repo/tools/packages/kernel-deb.sh" "${@:2}" 2>&1) || rc=$?
	[ "$rc" -eq 1 ] && [[ $out == "kernel-deb.sh: "*"$1"* ]] && return
	echo "not \"$1\", but code $rc: $out"
	return 1
}

# The project's options on top of the kernel's default configuration
packages_kernel_configures() {
	local tree dir config
	tree=$("$overlay/build.sh" tree)
	dir=$(mktemp -d)
	make -C "$tree" O="$dir" -s defconfig
	config=$(CONFIG=$dir/.config "$repo/tools/packages/kernel-deb.sh" --configure)
	rm -rf "$dir"
	diff <(sed -n '/^CONFIG_/p' "$repo/tools/packages/kernel.config" |
		grep -v -e ARM_SMMU -e SYSTEM_REVOCATION | sort) \
		<(grep -xFf "$repo/tools/packages/kernel.config" "$config" | grep ^CONFIG_ | sort)
}

stage_packages() {
	local root=$cache/packages/root debs=$cache/packages/deb version
	"$repo/tools/setup/setup.sh" packages
	version=$(sed -n 's/^.define IDIRTY_VERSION[[:space:]]*"\(.*\)"/\1/p' \
		"$repo/tools/lib/include/iommudirty.h")
	try "packages: Debian's" "$repo/tools/packages/deb.sh"
	try "packages: lintian" sh -c "lintian --allow-root --fail-on error,warning '$debs'/*.changes"
	try "packages: RPMs" "$repo/tools/packages/rpm.sh"
	try "packages: kernel-deb refuses" packages_kernel_refuses
	try "packages: kernel-deb configures" packages_kernel_configures
	if [ "$(id -u)" -ne 0 ]; then
		skipped packages "in a fresh Debian: not root"
		return
	fi
	try "packages: a fresh Debian" packages_fresh
	try "packages: iommu-dirty works there" packages_command
	try "packages: iommu-dirty draws there" packages_plot
	try "packages: an example is built there" packages_dev
	try "packages: the Python module works there" packages_python
	try "packages: nothing stays behind" packages_purge
	rm -rf "$root"
}
