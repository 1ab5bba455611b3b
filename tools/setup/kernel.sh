#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the Debian version of a base kernel's source and the path of its tarball, after it
# has fetched the source if needed. Called by tools/overlay/build.sh.
#
# Usage: kernel.sh 6.12|7.3
#
# 6.12 is a package of Debian 12, which is installed. 7.3 comes from the backports of
# Debian 13 and stays in the cache; if no version can be had, the script exits with 4 and
# prints the reason (archive.sh).
. "$(dirname "$0")/common.sh"
. "$repo/tools/setup/archive.sh"

base=${1:?usage: kernel.sh 6.12|7.3}
package=linux-source-$base

take_tarball() { # version file
	rm -rf "$work/deb"
	mkdir "$work/deb"
	cd "$work/deb"
	"${apt[@]}" download "$package=$1"
	dpkg-deb --fsys-tarfile ./*.deb | tar -xO "./usr/src/$package.tar.xz" >"$2"
	[ -s "$2" ]
}

case $base in
6.12)
	"$repo/tools/setup/setup.sh" kernel
	# shellcheck disable=SC2016 # dpkg's variable
	echo "$(dpkg-query -W -f '${Version}' "$package") /usr/src/$package.tar.xz"
	;;
7.3)
	"$repo/tools/setup/setup.sh" kernel
	archive_get "$cache/linux-source/$base" "$package" '7.3.4-1~bpo13+1' trixie-backports \
		take_tarball
	echo "${found##*/} $found"
	;;
*) die "unknown base kernel $base, known are: 6.12 7.3" ;;
esac
