#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds an archive of the source and, with rpmbuild, the RPM packages of the library and
# the command, and prints their paths. Called by "make rpm" and by the stage "packages" of
# the tests.
#
# Usage: rpm.sh [FOLDER]        where they go, too; they are made in the cache
#
# On Debian, rpm knows nothing of what is installed, so the spec's build requirements are not
# checked there.
. "$(dirname "$0")/../setup/common.sh"

# "make rpm VARIABLE=value" must not set that variable in the makefiles of the build
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

dir=$cache/packages/rpm
to=${1:-}
"$repo/tools/setup/setup.sh" packages
lock_cache packages-rpm
rm -rf "$dir"
mkdir -p "$dir"/{SOURCES,SPECS}
src=$("$repo/tools/packages/source.sh" "$dir/source")
archive=$dir/SOURCES/${src##*/}.tar.gz
tar -C "$dir/source" --owner=0 --group=0 --sort=name -czf "$archive" "${src##*/}"
deps=()
rpm -q --quiet rpm 2>/dev/null || deps=(--nodeps)
logged "$dir/build.log" rpmbuild -bb --define "_topdir $dir" --define "_smp_mflags -j$jobs" \
	"${deps[@]}" "$src/iommu-dirty.spec"
mapfile -t files < <(echo "$archive"; find "$dir/RPMS" -name '*.rpm' | sort)
if [ -n "$to" ]; then
	mkdir -p "$to"
	cp "${files[@]}" "$to"
	files=("${files[@]##*/}")
	files=("${files[@]/#/${to%/}/}")
fi
printf '%s\n' "${files[@]}"
