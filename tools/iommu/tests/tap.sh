# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Runs commands as tests in the guest. Sourced by guest.sh and guest-old.sh, which print
# the plan, "1..$n", at the end.
n=0
check() { # name command...
	name=$1
	shift
	n=$((n + 1))
	if "$@" >/tmp/out 2>&1; then
		echo "ok $n $name"
	else
		sed 's/^/# /' /tmp/out
		echo "not ok $n $name"
	fi
}
echo TAP version 13
