#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the path of a copy of our sources, in the cache, which programs are built from.
#
# In the copy a file is new to make exactly when its content is. In the checkout it may
# not be: another checkout may have built in the same cache before, or an older file may
# have been put back with its old time stamp.
. "$(dirname "$0")/common.sh"

"$repo/tools/setup/setup.sh" base
lock_cache sources
mkdir -p "$cache/src"
rsync -rlpc --delete "$repo"/{include,drivers,selftests,tools} "$cache/src/"
echo "$cache/src"
