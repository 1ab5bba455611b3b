#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds Documentation/ as HTML with Sphinx and prints the path of the start page.
# Warnings are errors. The kernel-doc extension comes from the kernel tree.
. "$(dirname "$0")/common.sh"

"$repo/tools/setup/setup.sh" docs
KSRC=$("$repo/tools/overlay/build.sh" tree)
export KSRC
docs=$cache/docs
mkdir -p "$docs"
PYTHONDONTWRITEBYTECODE=1 logged "$docs/build.log" /usr/bin/python3 -m sphinx \
	-W --keep-going -q -E -b html -d "$docs/doctrees" "$repo/Documentation" "$docs/html"
echo "$docs/html/index.html"
