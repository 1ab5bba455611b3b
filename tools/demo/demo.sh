#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Live pre-copy over the dirty bits of an IOMMU, in a virtual machine.
#
# Usage: demo.sh [--iommu MODE] [--device nvme|edu] [OPTION...]
#
# An NVMe controller reads its disk, an ext4 file system with the documentation of
# the kernel, by DMA into memory, while that memory is sent to another process
# round by round. Or an edu device copies the kernel image into 256 MiB of memory
# and goes on rewriting it. OPTIONs go to dirty-migrate (see dirty-migrate.c):
# --no-tracking shows that it takes a tracker, --size MIB and others change how
# much there is to do. The last line tells whether both processes have the same
# memory in the end, and so does the exit code: 0 if so, 1 if not. MODE is one of
# tools/vm/run.sh that has dirty bits.
. "$(dirname "$0")/../setup/common.sh"

here=$repo/tools/demo
out=$cache/demo
iommu=vtd-ss size='' device=nvme args=()
while [ $# -gt 0 ]; do
	case $1 in
	--iommu) iommu=${2:?--iommu needs a value}; shift ;;
	--device) device=${2:?--device needs a value}; shift ;;
	--size) size=${2:?--size needs a value}; shift ;;
	-h | --help) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) args+=("$1") ;;
	esac
	shift
done

# What the guest prints between two marks, as it comes: a progress bar has no
# line ends
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

"$repo/tools/setup/setup.sh" demo
image=$("$repo/tools/overlay/build.sh" plain)
tree=$("$repo/tools/overlay/build.sh" tree)
mkdir -p "$out"
logged "$out/build.log" make -C "$here" -j "$jobs" OUT="$out" KSRC="$tree"

# Made once: real data that a file system would be damaged without
disk() { # file
	[ -f "$1" ] && return
	rm -f "$1.new"
	logged "$out/disk.log" /sbin/mke2fs -q -t ext4 -d "$tree/Documentation" "$1.new" 160M
	mv "$1.new" "$1"
}

case $device in
nvme)
	file=$out/disk.img
	disk "$file"
	drives=(--drive "$file" --nvme "$file" --edu 0)
	: "${size:=160}"
	;;
edu)
	drives=(--drive "$image" --edu 1)
	: "${size:=256}"
	;;
*) die "no device $device: see the head of $0" ;;
esac
args+=(--device "$device" --size "$size")

bar=--no-progress columns=80
if [ -t 1 ]; then
	bar=--progress columns=$(tput cols 2>/dev/null || echo 80)
fi

note "booting ${image##*/} with $iommu; the console goes to $out/console.log"
rc=0
"$repo/tools/vm/run.sh" --kernel "$image" --iommu "$iommu" --mem "$((size * 2 + 768))M" \
	"${drives[@]}" --add "$out/dirty-migrate" --log "$out/console.log" --timeout 240 -- \
	"stty cols $columns -onlcr <&1; echo @@demo-begin; dirty-migrate destination &
	dirty-migrate source --file /dev/vda $bar ${args[*]}; rc=\$?; echo @@demo-end; exit \$rc" |
	between_marks || rc=${PIPESTATUS[0]}
exit "$rc"
