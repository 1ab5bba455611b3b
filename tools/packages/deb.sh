#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the Debian packages of the library and the command, and prints their paths. Called
# by "make deb" and by the stage "packages" of the tests.
#
# Usage: deb.sh [FOLDER]        where the packages go, too; they are made in the cache
. "$(dirname "$0")/../setup/common.sh"

# "make deb VARIABLE=value" must not set that variable in the makefiles of the build
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

dir=$cache/packages/deb
to=${1:-$dir}
"$repo/tools/setup/setup.sh" packages
lock_cache packages-deb
rm -rf "$dir"
mkdir -p "$dir" "$to"
src=$("$repo/tools/packages/source.sh" "$dir/source")
build() { cd "$src" && DEB_BUILD_OPTIONS="parallel=$jobs ${DEB_BUILD_OPTIONS:-}" dpkg-buildpackage -us -uc -b; }
logged "$dir/build.log" build
mv "$dir"/source/*.{deb,changes,buildinfo} "$dir"
[ "$to" = "$dir" ] || cp "$dir"/*.{deb,changes,buildinfo} "$to"
for deb in "$dir"/*.deb; do echo "${to%/}/${deb##*/}"; done
