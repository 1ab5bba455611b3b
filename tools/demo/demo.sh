#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Live pre-copy over the dirty bits of an IOMMU, in a virtual machine.
#
# Usage: demo.sh [--iommu vtd-ss|vtd-fs] [OPTION...]
#
# A device copies the kernel image, which the guest has as a disk, by DMA into
# 256 MiB of memory and goes on rewriting it, while that memory is sent to
# another process round by round. OPTIONs go to edu-migrate (see edu-migrate.c):
# --no-tracking shows that it takes a tracker, --size MIB and others change how
# much there is to do. The last line tells whether both processes have the same
# memory in the end, and so does the exit code: 0 if so, 1 if not.
. "$(dirname "$0")/../setup/common.sh"

here=$repo/tools/demo
out=$cache/demo
iommu=vtd-ss mem=1280 args=()
while [ $# -gt 0 ]; do
	case $1 in
	--iommu) iommu=${2:?--iommu needs a value}; shift ;;
	--size) mem=$((${2:?--size needs a value} * 2 + 768)); args+=("$1" "$2"); shift ;;
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

bar=--no-progress columns=80
if [ -t 1 ]; then
	bar=--progress columns=$(tput cols 2>/dev/null || echo 80)
fi

note "booting ${image##*/} with $iommu; the console goes to $out/console.log"
rc=0
"$repo/tools/vm/run.sh" --kernel "$image" --iommu "$iommu" --mem "${mem}M" --edu 1 \
	--drive "$image" --add "$out/edu-migrate" --log "$out/console.log" --timeout 240 -- \
	"stty cols $columns -onlcr <&1; echo @@demo-begin; edu-migrate destination &
	edu-migrate source --file /dev/vda $bar ${args[*]}; rc=\$?; echo @@demo-end; exit \$rc" |
	between_marks || rc=${PIPESTATUS[0]}
exit "$rc"
