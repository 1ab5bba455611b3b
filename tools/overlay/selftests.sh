#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds and installs the kselftests with the makefiles of the kernel tree.
#
# Usage: [KSRC=tree] selftests.sh [--arch x86_64|arm64|riscv64] FOLDER [ARGUMENT OF MAKE...]
#
# FOLDER is used as O=. The programs go to FOLDER/install/iommufd_dirty.
. "$(dirname "$0")/../setup/common.sh"

arch=x86_64
if [ "${1:-}" = --arch ]; then
	arch=$2
	shift 2
fi
use_arch "$arch"
out=${1:?usage: selftests.sh [--arch ARCH] FOLDER [ARGUMENT OF MAKE...]}
shift
mkdir -p "$out"
tree=$("$repo/tools/overlay/build.sh" --arch "$arch" tree)
kmake() {
	make -s -j "$jobs" O="$out" ARCH="$karch" CROSS_COMPILE="$cross" "$@"
}
kmake -C "$tree" headers
kmake -C "$tree/tools/testing/selftests" TARGETS=iommufd_dirty FORCE_TARGETS=1 \
	INSTALL_PATH="$out/install" "$@" install
