#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Tests iommu-dirty and the library in the guest, on a kernel without trackers. Prints
# TAP.
. tap.sh
probed() { # line: must be in the output of probe
	iommu-dirty probe --vfio
	[ $? -eq 3 ] && iommu-dirty probe --vfio | grep -x "$1"
}
refused() { # command...: must exit with the code for a kernel without trackers
	"$@"
	[ $? -eq 3 ]
}

bind-vfio >/dev/null
check "probe: the kernel" probed "kernel: no dirty trackers"
check "probe: the IOMMU" probed "  VT-d second stage: dirty bits"
check "probe: a device" probed "device .*: the kernel has no dirty trackers"
check "probe: what the device says" probed "  VFIO: dirty tracking of HWPTs"
test-vm load vfio-pci /tmp/load 600 >/tmp/load.log &
load=$!
until [ -s /tmp/load ] || ! kill -0 "$load"; do sleep 0.2; done
check "probe: a device in use" probed "  VFIO: in use"
check "rate" refused iommu-dirty rate --pid "$load"
# without trackers, the iommufd of a device cannot be found
check "rate of a device" refused iommu-dirty rate --device 0000:00:01.0
check "advise" refused iommu-dirty advise --pid "$load"
kill "$load"
wait "$load" 2>/dev/null
echo "1..$n"
