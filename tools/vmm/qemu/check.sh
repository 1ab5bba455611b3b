#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Applies the patches to QEMU with git am, one by one, and runs QEMU's own checkpatch.pl
# on each. Called by tools/check/vmm.sh.
#
# Usage: check.sh
#
# Exits with 4 if the source cannot be had.
. "$(dirname "$0")/../../setup/common.sh"

here=$repo/tools/vmm/qemu
version=10.2.2

tarball=$("$here/build.sh" --source)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Only the files that the patches change, and the checker
mapfile -t files < <(sed -n 's,^--- a/,,p' "$here/$version"/*.patch | sort -u)
mapfile -t old < <(tar -tf "$tarball" | grep -xE -f <(
	printf '[^/]*/%s\n' "${files[@]}" scripts/checkpatch.pl scripts/spelling.txt))
tar -xf "$tarball" --strip-components=1 "${old[@]}"
git init -q .
git config user.name nobody
git config user.email nobody@localhost
git add -A
git commit -q -m "QEMU $version"

rc=0
for p in "$here/$version"/*.patch; do
	git am -q "$p" || die "${p##*/}: git am fails"
	# The checker warns of each new header of the kernel
	case $p in
	*-linux-headers-Add-*) expected='total: 0 errors, 2 warnings' ;;
	*) expected='total: 0 errors, 0 warnings' ;;
	esac
	scripts/checkpatch.pl --no-tree "$p" >"$work/.out" 2>&1 || true
	if ! grep -q "^$expected" "$work/.out"; then
		echo "${p##*/}:"
		cat "$work/.out"
		rc=1
	fi
done
exit "$rc"
