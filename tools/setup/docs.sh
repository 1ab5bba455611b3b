#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds Documentation/ as HTML with Sphinx; prints the start page's path.
#
# The kernel's own extension serves the kernel-doc directives, reading our files.
. "$(dirname "$0")/common.sh"

"$repo/tools/setup/setup.sh" docs
tree=$("$repo/tools/overlay/build.sh" tree)
docs=$cache/docs
rm -rf "$docs/src"
mkdir -p "$docs/src"
cp -r "$repo/Documentation/." "$docs/src"
if [ ! -f "$docs/src/index.rst" ]; then
	# in a kernel tree, the indexes of its folders name the pages
	printf 'iommufd-dirty\n=============\n\n.. toctree::\n   :glob:\n\n   **\n' >"$docs/src/index.rst"
fi
PYTHONPATH=$tree/Documentation/sphinx srctree=$repo logged "$docs/build.log" \
	/usr/bin/python3 -m sphinx -C -W --keep-going -q -b html -d "$docs/doctrees" \
	-D project=iommufd-dirty -D extensions=kerneldoc -D highlight_language=none \
	-D kerneldoc_bin="$tree/scripts/kernel-doc" -D kerneldoc_srctree="$repo" \
	"$docs/src" "$docs/html"
echo "$docs/html/index.html"
