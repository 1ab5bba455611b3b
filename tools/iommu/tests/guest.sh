#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: iommu-dirty observes a migration under way, which must end with
# both sides the same all the same. Prints TAP.
events=/sys/kernel/tracing
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
rate_is_seen() {
	iommu-dirty rate "$@" --seconds 1 --json >/tmp/rate || return
	cat /tmp/rate
	[ "$(sed -n 's/.*"bytes": \([0-9]*\),/\1/p' /tmp/rate)" -gt 0 ]
}
none() { iommu-dirty rate --pid 1; [ $? -eq 4 ]; }
drawn() { iommu-dirty heatmap /tmp/rec | grep '|.*[0-9].*|'; }
traced() { grep "iommufd_dirty_$1:" "$events/trace"; }
ends() { wait "$source" && grep 'destination identical: yes' /tmp/source; }

echo TAP version 13
mount -t tracefs trace "$events"
echo 1 >"$events/events/iommufd_dirty/enable"
dirty-migrate destination >/tmp/destination 2>&1 &
dirty-migrate source --device edu --file /dev/vda --size 24 --rounds 10 --small 1 --writes 1000 \
	--no-progress >/tmp/source 2>&1 &
source=$!
until grep -q HWPT /tmp/source || ! kill -0 "$source"; do sleep 0.2; done
device=$(sed -n 's/.*into which \([0-9a-f:.]*\) .*copies.*/\1/p' /tmp/source)
check "probe" iommu-dirty probe
check "rate of a process" rate_is_seen --pid "$source"
check "rate of a device" rate_is_seen --device "$device"
check "record" iommu-dirty record --pid "$source" --seconds 2 --output /tmp/rec
check "heatmap" drawn
check "no iommufd" none
check "the migration that was observed" ends
for event in start stop harvest; do
	check "trace event $event" traced "$event"
done
echo "1..$n"
