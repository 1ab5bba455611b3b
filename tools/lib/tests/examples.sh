#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs the examples that are in a folder as fake-NAME, linked with a kernel in small,
# and prints what they print. The numbers are those of fake.h.
dir=${1:?examples.sh FOLDER}
run() { # name argument...
	name=$1
	shift
	echo "== $name"
	"$dir/fake-$name" "$@" 2>&1 || echo "exit code $?"
}
run bitmap
run map
run strerror
run open 5
run alloc 5 7
run alloc 5 99
run read 5 7 0x100000000 0x1000000
run read 5 7 0x100000000
run precopy 5 7 0x100000000 0x1000000
