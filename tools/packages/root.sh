#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the path of an archive of a minimal Debian, of the host's release and from the
# host's archive. It is made once, and stays in the cache. Must run as root. Called by the
# stage "packages" of the tests.
. "$(dirname "$0")/../setup/common.sh"

"$repo/tools/setup/setup.sh" packages
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
tar=$cache/debian/$suite.tar
lock_cache debian
if [ ! -f "$tar" ]; then
	[ "$(id -u)" -eq 0 ] || die "debootstrap must run as root"
	entry=$("$repo/tools/setup/apt-source.py" deb "$suite")
	read -r uri _ < <(sed -n 's/^URIs: *//p' <<<"$entry")
	key=$(sed -n 's/^Signed-By: *//p' <<<"$entry")
	# The key can also be part of the entry
	[ -f "$key" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
	note "fetching a minimal Debian ($suite)"
	mkdir -p "$cache/debian"
	root=$(mktemp -d "$cache/debian/.root-XXXXXX")
	trap 'rm -rf "$root"' EXIT
	logged "$cache/debian/debootstrap.log" debootstrap --variant=minbase --keyring="$key" \
		"$suite" "$root" "$uri"
	rm -f "$root"/var/cache/apt/archives/*.deb
	tar -C "$root" --one-file-system -cf "$tar.new" .
	mv "$tar.new" "$tar"
fi
echo "$tar"
