#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes the source that the packages of the library and the command are built from, and
# prints the path: a new folder iommu-dirty-VERSION in the given one, with debian/ and
# iommu-dirty.spec in it. Called by deb.sh and rpm.sh.
#
# Usage: source.sh FOLDER
#
# It needs nothing else of the project: links out of it are replaced by files. Its version
# is that of the library, its date that of the last commit.
. "$(dirname "$0")/../setup/common.sh"

dir=${1:?usage: source.sh FOLDER}
version=$(sed -n 's/^.define IDIRTY_VERSION[[:space:]]*"\(.*\)"/\1/p' \
	"$repo/tools/lib/include/iommudirty.h")
[ -n "$version" ] || die "no IDIRTY_VERSION in the library's header"
src=$dir/iommu-dirty-$version
# Where there is no git, the date of the last change that was noted
stamp=$(git -C "$repo" log -1 --format=%ct 2>/dev/null) || stamp=$(stat -c %Y "$repo/CHANGELOG.md")
stamped() { LC_ALL=C TZ=UTC0 date -d "@$stamp" "$@"; }

mkdir -p "$dir"
rm -rf "$src"
mkdir -p "$src/tools"
rsync -rlp --copy-unsafe-links --exclude /out --exclude __pycache__ "$repo"/tools/{lib,iommu,devices} "$src/tools/"
rsync -rp "$repo/tools/packages/debian" "$src/"
cp "$src/tools/lib/libiommudirty1.symbols" "$src/debian/"
maintainer=$(sed -n 's/^Maintainer: //p' "$src/debian/control")
cat >"$src/debian/changelog" <<-EOT
	iommu-dirty ($version) unstable; urgency=medium

	  * Version $version, see CHANGELOG.md of iommufd-dirty.

	 -- $maintainer  $(stamped '+%a, %d %b %Y %T %z')
EOT
sed "s/@VERSION@/$version/" "$repo/tools/packages/iommu-dirty.spec" >"$src/iommu-dirty.spec"
cat >>"$src/iommu-dirty.spec" <<-EOT

	%changelog
	* $(stamped '+%a %b %d %Y') $maintainer - $version-1
	- Version $version, see CHANGELOG.md of iommufd-dirty.
EOT
echo "$src"
