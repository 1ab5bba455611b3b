#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Tests iommu-dirty in the guest. It probes devices. It migrates an edu device and
# observes the migration, after which both sides must have the same memory. It runs
# migrations that must fail. It measures a device that is in use.
# Prints TAP.
events=/sys/kernel/tracing
. tap.sh
rate_is_seen() {
	iommu-dirty rate "$@" --duration 1s --json >/tmp/rate || return
	cat /tmp/rate
	[ "$(sed -n '/total/,$s/.*"bytes": \([0-9]*\),/\1/p' /tmp/rate)" -gt 0 ]
}
none() { iommu-dirty rate --pid 1; [ $? -eq 4 ]; }
drawn() { iommu-dirty heatmap /tmp/rec | grep '|.*[^ |~].*|'; }
traced() { grep "iommufd_dirty_$1:" "$events/trace"; }
# probed NUMBER TEXT: probe must print this line for NUMBER devices
probed() {
	iommu-dirty probe --vfio >/tmp/probe
	cat /tmp/probe
	[ "$(grep -c "^  $2\$" /tmp/probe)" -eq "$1" ]
}
in_use() { probed 1 "VFIO: in use" && probed 2 "VFIO: migration, P2P, PRE_COPY, DMA logging, .*"; }
# no device is still open
free_again() { probed 0 "VFIO: in use"; }
advised() { # rows, options of iommu-dirty advise...
	rows=$1
	shift
	iommu-dirty advise --pid "$load" --interval 200ms --bandwidth 1M "$@" >/tmp/advise || return
	cat /tmp/advise
	[ "$(grep -c '"read_ns": [1-9]' /tmp/advise)" -eq "$rows" ] || return
	# at most 32 pages of 4 KiB, or one page of 1 GiB
	sed -n 's/.*"dirty_bytes": \([0-9]*\),/\1/p' /tmp/advise |
		awk 'NR % 4 == 1 && !($1 > 0 && $1 <= 131072) || NR % 4 == 0 && $1 != 1073741824 { bad = 1 }
		     END { exit bad }'
}
# one of 16 pages is written and the network is slow, so 4 KiB must be best
small_pages() { sed -n '/recommendations/,$p' /tmp/advise | grep '"page_size": 4096,'; }
throughput() { # with and without tracking
	[ "$(grep -c '"bytes_per_second": [1-9]' /tmp/advise)" -eq 4 ] &&
		grep '"bytes_per_second_off": [1-9]' /tmp/advise
}
# Starts a device that writes in the background, and waits until it does
load() { # [container|both]
	rm -f /tmp/load
	test-vm load edu_vfio_pci /tmp/load 600 "$@" >/tmp/load.log &
	load=$!
	until [ -s /tmp/load ] || ! kill -0 "$load"; do sleep 0.2; done
}
unload() {
	kill "$load"
	wait "$load" 2>/dev/null
}
both_are_seen() { # a rate for an IOAS of each iommufd
	iommu-dirty rate --pid "$load" --duration 1s --json >/tmp/rate || return
	cat /tmp/rate
	[ "$(sed -n 's/.*"fd": \([0-9]*\),/\1/p' /tmp/rate | sort -u | wc -l)" -eq 2 ] &&
		[ "$(sed '/total/,$d' /tmp/rate | grep -c '"bytes": [1-9]')" -eq 2 ] && [ "$(grep -c '^ *"0000:' /tmp/rate)" -eq 2 ]
}
# only the iommufd that has the device
one_is_seen() { rate_is_seen --device "$1" && ! grep '"fd"' /tmp/rate; }
both_are_drawn() {
	iommu-dirty record --pid "$load" --duration 1s --output /tmp/rec || return
	sed -n 's/.*"fd":\([0-9]*\),"ioas":\([0-9]*\),.*/\1:\2/p' /tmp/rec | sort -u |
		while read -r ioas; do
			iommu-dirty heatmap --ioas "$ioas" /tmp/rec | grep '|.*[^ |~].*|' && echo "$ioas"
		done >/tmp/drawn
	cat /tmp/drawn
	[ "$(grep -c '^[0-9]*:[0-9]*$' /tmp/drawn)" -eq 2 ]
}
both_are_advised() {
	iommu-dirty advise --pid "$load" --devices --repeat 1 --interval 200ms >/tmp/advise || return
	cat /tmp/advise
	[ "$(grep -c '^IOAS [0-9]*:[0-9]*, VT-d.*dirtied' /tmp/advise)" -eq 2 ] &&
		[ "$(grep -c '^device .*dirtied' /tmp/advise)" -eq 2 ] &&
		[ "$(grep -c '^For IOAS [0-9]*:[0-9]*: ' /tmp/advise)" -eq 2 ]
}
# perf must print all fields of an event
perf_shows() {
	perf record -q -a -e iommufd_dirty:iommufd_dirty_harvest -o /tmp/perf.data -- \
		iommu-dirty rate --pid "$load" --duration 1s || return
	perf script -i /tmp/perf.data | tee /tmp/perf.txt
	grep -qE "harvest: tracker=[0-9]+ iova=0 length=0xf{16} pages=[1-9][0-9]* ns=[1-9][0-9]* rc=0" \
		/tmp/perf.txt
}
# ended SIGNAL COMMAND...: the command must leave no tracker in the program that it observes
ended() {
	signal=$1
	shift
	iommu-dirty "$@" --pid "$load" >/tmp/ended 2>&1 &
	observer=$!
	until_observed || return
	no_iommufd || return
	kill "-$signal" "$observer"
	wait "$observer"
	code=$?
	[ "$code" -gt 128 ] || { echo "exit code $code"; return 1; }
	iommu-dirty list --pid "$load" | tee /tmp/list
	grep -q ' device .*0000:' /tmp/list && ! grep -q tracker /tmp/list
}
until_observed() {
	until iommu-dirty list --pid "$load" | grep -q 'trackers with files: 1'; do
		kill -0 "$observer" || { cat /tmp/ended; return 1; }
		sleep 0.1
	done
}
# the observer must have returned what it has borrowed
no_iommufd() {
	readlink "/proc/$observer/fd"/* | tee /tmp/files
	! grep -E '/dev/(iommu|vfio)' /tmp/files
}
# the observer must end when the program that it observes does
ends_with_load() {
	iommu-dirty watch --pid "$load" >/tmp/ended 2>&1 &
	observer=$!
	until_observed || return
	unload
	wait "$observer"
	code=$?
	cat /tmp/ended
	[ "$code" -eq 4 ]
}
# the counter must grow, and the file must go with the command
exported() { # options...
	iommu-dirty export "$@" --output /tmp/dirty.prom --interval 200ms >/tmp/ended 2>&1 &
	observer=$!
	until grep '^iommu_dirty_bytes_total{.*} [1-9]' /tmp/dirty.prom; do
		kill -0 "$observer" || { cat /tmp/ended; return 1; }
		sleep 0.1
	done
	grep '^iommu_dirty_tracked{.*} 1$' /tmp/dirty.prom && grep '^iommu_dirty_device_info{.*0000:' /tmp/dirty.prom || return
	kill "$observer"
	wait "$observer"
	cat /tmp/ended
	[ ! -e /tmp/dirty.prom ]
}
# An NVMe controller, bound to vfio-pci
nvme() {
	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/class")" = 0x010802 ] || continue
		echo vfio-pci >"$dev/driver_override"
		echo "${dev##*/}" >"$dev/driver/unbind"
		echo "${dev##*/}" >/sys/bus/pci/drivers_probe
		echo "${dev##*/}"
		return
	done
}
# The IOMMU and the kernel must pass all checks with an edu device
selftested() { # address
	iommu-dirty selftest --device "$1" --output /tmp/selftest.json
	code=$?
	cat /tmp/selftest.json
	[ "$code" -eq 0 ] && [ "$(grep -c '"verdict": "pass"' /tmp/selftest.json)" -eq 12 ] &&
		grep '"unmap_ns": [1-9]' /tmp/selftest.json
}
# The same with an NVMe controller, whose writes may not be refused. QEMU's translates all
# addresses of a command first, and no flush of the IOTLB waits for the data: it may be out of
# order
selftested_nvme() { # address
	iommu-dirty selftest --device "$1" --output /tmp/selftest.json >/tmp/selftest
	cat /tmp/selftest /tmp/selftest.json
	[ "$(grep -v ' ordered ' /tmp/selftest | grep -c ^pass)" -eq 10 ] &&
		grep '^skip  race ' /tmp/selftest && grep '"unmap_ns": [1-9]' /tmp/selftest.json
}
broken=/sys/module/iommufd/parameters/dirty_break
# selftest must notice that the kernel leaves a step out. If @4 is set, unmaps are delayed,
# again and again, so that writes come at the wrong time
notices() { # number of the switch in tests/break.h, check, address, [delay]
	echo $((1 << $1)) >"$broken" || return
	delay=
	if [ -n "$4" ]; then
		while :; do
			echo $((1 << $1 | 1 << 7)) >"$broken"
			sleep 0.03
			echo $((1 << $1)) >"$broken"
			sleep 0.03
		done &
		delay=$!
	fi
	iommu-dirty selftest --device "$3" --output /tmp/selftest.json >/tmp/selftest
	code=$?
	[ -z "$delay" ] || { kill "$delay"; wait "$delay"; }
	echo 0 >"$broken"
	cat /tmp/selftest
	[ "$code" -eq 6 ] && grep "^fail  $2 " /tmp/selftest
}
# shown COMMAND PATTERN: the command must print such a line about the source
shown() { iommu-dirty "$1" --pid "$source" | tee /tmp/shown; grep "$2" /tmp/shown; }
cleaned() { # removes the tracker of the source
	id=$(iommu-dirty clean --pid "$source" | sed -n 's/^tracker \([0-9]*\) .*/\1/p')
	iommu-dirty clean --pid "$source" "$id" && ! shown list tracker
}
still_works() { # the load must continue
	before=$(cat /tmp/load)
	sleep 1
	[ "$(cat /tmp/load)" -gt "$before" ]
}

# Start the two sides in the background; their pids are in $destination and $source
take() { # option...
	iommu-dirty migrate --listen 4444 --workload edu --driver edu_vfio_pci "$@" \
		0000:00:05.0 >/tmp/destination 2>&1 &
	destination=$!
}
send() { # option...
	iommu-dirty migrate --to 127.0.0.1:4444 --workload edu --driver edu_vfio_pci \
		--image "$image" --size "$size" --writes 1000 "$@" 0000:00:04.0 >/tmp/source 2>&1 &
	source=$!
}
show() { cat /tmp/source; echo "destination:"; cat /tmp/destination; }
# Both sides must end with these exit codes
end() { # the source's, the destination's
	wait "$source"
	code=$?
	wait "$destination"
	set -- "$@" $code $?
	show
	[ "$1 $2" = "$3 $4" ] || { echo "exit codes $3 and $4"; return 1; }
}
said() { show; grep -q "$1" /tmp/source; }
both_track() { json '"trackers":["ofobject' && json 'VT-dsecondstage","ofdevice' && json 'itsdriver,by4KiB"]'; }
# The JSON output must contain this text
json() { tr -d ' \n' </tmp/source | grep -F "$1"; }
state_came() { said 'and [1-9][0-9]* bytes of device state' && said 'our state' && said 'its state'; }
both_devices_run() { said 'stayed.*written [1-9]'; }

bind-vfio edu_vfio_pci >/dev/null
check "probe --vfio" probed 3 "VFIO: migration, P2P, PRE_COPY, DMA logging, dirty tracking of HWPTs"
check "probe --vfio: a tracker covers them" probed 3 "VT-d second stage: can be tracked"
mount -t tracefs trace "$events"
echo 1 >"$events/events/iommufd_dirty/enable"
check "probe" iommu-dirty probe

# a long pause, in which the device writes, so that all observers find it still running
image=/dev/vda size=16M
take
send --round-delay 12s --max-rounds 20 --downtime 1ms --on-limit stop-anyway
until grep -q tracker /tmp/source || ! kill -0 "$source"; do sleep 0.2; done
check "list: the tracker of the migration" shown list '^ *[0-9]* *[0-9]* tracker .* running$'
check "clean: shows the tracker of the migration" shown clean '^tracker [0-9]* of IOAS [0-9]*$'
check "rate of a process" rate_is_seen --pid "$source"
check "rate of a device" rate_is_seen --device 0000:00:04.0
check "record" iommu-dirty record --pid "$source" --duration 2s --output /tmp/rec
check "heatmap" drawn
check "no iommufd" none
check "the migration that was observed" end 0 0
check "the same memory" said 'identical *yes'
check "the device's state" state_came
for event in start stop harvest; do
	check "trace event $event" traced "$event"
done

head -c 524288 /dev/vda >/tmp/image
image=/tmp/image size=4M
take --json
send --max-rounds 20 --on-limit stop-anyway --downtime 1ms --json
check "migration, as JSON" end 0 0
check "JSON: identical" json '"identical":"yes"'
check "JSON: rounds" json '{"round":2,'

take
send --max-rounds 3 --on-limit stop-anyway --downtime 1ms --provider device
check "migration, tracked by the device's driver" end 0 0
check "the device's driver: said" said 'its driver, by 4 KiB'

take
send --max-rounds 3 --on-limit stop-anyway --downtime 1ms --provider both --json
check "migration, tracked by both" end 0 0
check "both: said" both_track

take
send --no-tracking
check "without tracking the memory differs" end 6 0
check "without tracking: said" said 'identical *no'

take
send --max-rounds 2 --downtime 0ms
check "giving up" end 5 5
check "giving up: the device goes on" both_devices_run

take --max-memory 1M
send
check "a destination that is too small" end 1 1
check "the reason comes over" said 'refuses: more than 1 MiB of memory'

iommu-dirty migrate --listen 4444 --workload nvme >/tmp/destination 2>&1 &
destination=$!
send
check "a destination without that device" end 1 1
check "without that device: said" said 'refuses: no device for the state of edu here'

take
send --downtime 0ms --max-rounds 0
until grep -q '^ *2 ' /tmp/source || ! kill -0 "$source"; do sleep 0.1; done
kill "$destination"
check "a destination that dies" end 1 143
check "it dies: the device goes on" both_devices_run

take
send --downtime 0ms --max-rounds 0
until grep -q '^stalled ' /tmp/source || ! kill -0 "$source"; do sleep 0.1; done
kill -INT "$source"
check "a source that is interrupted" end 5 5
check "interrupted: the device goes on" both_devices_run
take
send --downtime 0ms --max-rounds 0
until grep -q '^ *2 ' /tmp/source || ! kill -0 "$source"; do sleep 0.1; done
check "clean: removes a tracker" cleaned
wait "$source" "$destination"
load
check "probe --vfio leaves a device alone that is in use" in_use
check "advise" advised 8 --json --devices --repeat 3
check "advise: 4 KiB" small_pages
# shellcheck disable=SC2016 # expanded by the inner shell
check "advise with throughput" advised 4 --json --repeat 1 --throughput-cmd \
	'a=$(cat /tmp/load); sleep 1; echo $(($(cat /tmp/load) - a))'
check "advise: throughput" throughput
check "advise as text" iommu-dirty advise --pid "$load" --repeat 1
check "perf shows a harvest" perf_shows
check "watch ends with SIGTERM" ended TERM watch
check "watch is killed" ended KILL watch
check "record ends with SIGHUP" ended HUP record --duration 1000s --output /tmp/rec
check "export" exported --pid "$load"
check "export: all processes" exported --all
check "export is killed" ended KILL export --output /tmp/dirty.txt --interval 1000s
check "advise is killed" ended KILL advise --interval 1000s
check "the program that was observed goes on" still_works
check "watch ends with the program" ends_with_load

load container
check "a VFIO container: rate of the process" rate_is_seen --pid "$load"
check "a VFIO container: rate of the device" one_is_seen 0000:00:04.0
check "a VFIO container: the program goes on" still_works
unload
load both
check "two iommufds: rates of the process" both_are_seen
check "two iommufds: rate of a device" one_is_seen 0000:00:05.0
check "two iommufds: record and heatmap" both_are_drawn
check "two iommufds: advise" both_are_advised
check "two iommufds: the program goes on" still_works
unload
check "no device stays in use" free_again
edu=0000:00:04.0
nvme=$(nvme)
check "selftest: an edu device" selftested "$edu"
check "selftest: an NVMe controller" selftested_nvme "$nvme"
check "selftest: unmapped pages are not recorded" notices 0 unmapped "$edu"
check "selftest: a page table that joins is not tracked" notices 1 attach "$edu"
check "selftest: no flush of the IOTLB" notices 3 again "$edu"
check "selftest: no flush, for an NVMe controller" notices 3 again "$nvme"
check "selftest: bits are cleared before the bitmap is pinned" notices 4 kept "$edu"
check "selftest: entries stay writable until they are unmapped" notices 5 race "$edu" delay
echo "1..$n"
