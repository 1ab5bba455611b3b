#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the path of a copy of the project's sources in the cache. Programs are built
# from this copy.
#
# In the copy, a file has a new time stamp exactly if its content is new, as make needs.
# In the checkout that can fail: another checkout may have built in the same cache, or an
# older file may have been restored with its old time stamp.
. "$(dirname "$0")/common.sh"

"$repo/tools/setup/setup.sh" base
lock_cache sources
mkdir -p "$cache/src"
rsync -rlpc --delete "$repo"/{include,drivers,selftests,tools} "$cache/src/"
echo "$cache/src"
