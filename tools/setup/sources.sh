#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the path of a copy of the project's sources in the cache. Programs are built
# from this copy.
#
# In the copy, make sees a file as new exactly when its content is new. In the checkout
# that may fail: another checkout may have built in the same cache before, or an older
# file may have been restored with its old time stamp.
. "$(dirname "$0")/common.sh"

"$repo/tools/setup/setup.sh" base
lock_cache sources
mkdir -p "$cache/src"
rsync -rlpc --delete "$repo"/{include,drivers,selftests,tools} "$cache/src/"
echo "$cache/src"
