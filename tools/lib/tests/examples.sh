#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Runs the examples fake-NAME of a directory, which are linked with the minimal kernel of
# the tests, and prints their output. The numbers are those of fake.h.
dir=${1:?examples.sh DIRECTORY}
example() { # name argument...
	name=$1
	shift
	echo "== $name"
	"$dir/fake-$name" "$@" 2>&1 </dev/null || echo "exit code $?"
}
example bitmap
example map
example strerror
example open 5
example trackable 5 7
example trackable 5 99
example alloc 5 7
example alloc 5 99
example read 5 7 0x100000000 0x1000000
example read 5 7 0x100000000
example observe 5 7 0x100000000 0x1000000
example precopy 5 7 0x100000000 0x1000000
example precopy 5 99 0x100000000 0x1000000
example precopy_run 5 7 0x100000000 0x1000000
