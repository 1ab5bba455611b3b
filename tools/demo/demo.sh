#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Demonstrates live pre-copy with the dirty bits of an IOMMU, in a virtual machine.
#
# Usage: demo.sh [--iommu MODE] [--workload nvme|edu] [OPTION...]
#
# nvme, the default: an NVMe controller reads its disk into memory by DMA, while that
# memory is sent to another process, round by round. The disk is an ext4 file system
# with the kernel's documentation. edu: an edu device copies the kernel image into
# 128 MiB of memory and keeps rewriting it. Then its state moves to a second edu device.
#
# OPTIONs go to the source's iommu-dirty migrate (see iommu-dirty(8)):
# --no-tracking shows why a tracker is needed, --size and others change the amount
# of work. The last line reports whether both processes have the same memory. The
# exit code is 0 if they do. MODE is a mode of tools/vm/run.sh with dirty bits. The
# script also draws a heatmap of the dirty memory into the cache.
. "$(dirname "$0")/../setup/common.sh"

out=$cache/demo
iommu=vtd-ss size='' workload=nvme args=()
while [ $# -gt 0 ]; do
	case $1 in
	--iommu) iommu=${2:?--iommu needs a value}; shift ;;
	--workload) workload=${2:?--workload needs a value}; shift ;;
	--size) size=${2:?--size needs a value}; shift ;;
	-h | --help) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) args+=("$1") ;;
	esac
	shift
done

# Copies the guest's output between the two marks. Does not wait for line ends, because
# a progress bar has none
between_marks() {
	perl -e '
		$| = 1;
		while (sysread(STDIN, $chunk, 65536)) {
			$text .= $chunk;
			$on = 1 if !$on && $text =~ s/\A.*?^\@\@demo-begin\r?\n//ms;
			next if !$on || $off;
			$off = 1 if $text =~ s/^\@\@demo-end\r?\n.*//ms;
			$text =~ s/(^\@[^\n]*)?\z//m;
			$rest = $1;
			print $text;
			$text = $rest;
		}'
}

"$repo/tools/setup/setup.sh" tools demo plot
image=$("$repo/tools/overlay/build.sh" plain)
tree=$("$repo/tools/overlay/build.sh" tree)
mkdir -p "$out"
# The guest runs a static build, which cannot draw
logged "$out/lib.log" make -C "$repo/tools/lib" -j "$jobs" OUT="$out/lib" all
logged "$out/guest.log" make -C "$repo/tools/iommu" -j "$jobs" OUT="$out/guest" LIB="$out/lib" \
	STATIC=1 all
logged "$out/host.log" make -C "$repo/tools/iommu" -j "$jobs" OUT="$out/host" LIB="$out/lib" \
	all

# Created once. A lost page would corrupt its file system
disk() { # file
	[ -f "$1" ] && return
	rm -f "$1.new"
	logged "$out/disk.log" /sbin/mke2fs -q -t ext4 -d "$tree/Documentation" "$1.new" 160M
	mv "$1.new" "$1"
}

case $workload in
nvme)
	file=$out/disk.img
	disk "$file"
	machine=(--drive "$file" --nvme "$file" --edu 0)
	: "${size:=160}"
	args=(--workload nvme --image /dev/vda --size "${size}M" --downtime 50ms "${args[@]}")
	there=(--workload nvme)
	;;
edu)
	machine=(--drive "$image" --edu 2)
	: "${size:=128}"
	there=(--workload edu --driver edu_vfio_pci)
	args=("${there[@]}" --image /dev/vda --size "${size}M" --downtime 10ms --max-rounds 12
		--on-limit stop-anyway "${args[@]}" 0000:00:04.0)
	there+=(0000:00:05.0)
	;;
*) die "unknown workload $workload, see the head of $0" ;;
esac

bar=--no-progress columns=80
if [ -t 1 ]; then
	bar=--progress columns=$(tput cols 2>/dev/null || echo 80)
fi

note "booting ${image##*/} with $iommu, console log: $out/console.log"
rc=0
"$repo/tools/vm/run.sh" --kernel "$image" --iommu "$iommu" --mem "$((size * 2 + 768))M" \
	"${machine[@]}" --add "$out/guest/iommu-dirty" --log "$out/console.log" --timeout 240 -- \
	"stty cols $columns -onlcr <&1; echo @@demo-begin
	iommu-dirty migrate --listen 4444 ${there[*]} >/tmp/destination 2>&1 &
	iommu-dirty migrate --to 127.0.0.1:4444 $bar ${args[*]} & source=\$!
	until iommu-dirty record --pid \$source --duration 16s --interval 200ms --output /tmp/rec; do
		kill -0 \$source || break; sleep 0.2
	done >/dev/null 2>&1 & record=\$!
	wait \$source; rc=\$?; echo @@demo-end; cat /tmp/destination
	wait \$record; echo @@record; gzip </tmp/rec | base64; echo @@record-end; exit \$rc" |
	between_marks || rc=${PIPESTATUS[0]}

# The guest prints the record file on the console
sed -n '/^@@record\r*$/,/^@@record-end\r*$/{/^@@/d;s/\r//;p}' "$out/console.log" |
	base64 -d | gunzip >"$out/demo.rec" || true
# Draw only the migrated memory, without the queues of the device's driver
if PATH=$repo/tools/iommu:$PATH "$out/host/iommu-dirty" heatmap --from 0x100000000 \
	--output "$out/heatmap.html" "$out/demo.rec" >"$out/heatmap.log" 2>&1; then
	note "heatmap of the dirty memory: $out/heatmap.html"
else
	note "no heatmap, see $out/heatmap.log"
fi
exit "$rc"
