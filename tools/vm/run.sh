#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots a kernel in the project's QEMU, runs a command in the guest, powers it off.
#
# Usage: run.sh [OPTION...] [--] COMMAND...     COMMAND is for the guest's shell
#
#   --kernel CONFIG|FILE   a config of tools/overlay/build.sh, or a bzImage or
#                          Image (default: plain)
#   --iommu MODE           x86_64: vtd-ss (default)  VT-d second stage with dirty bits
#                                  vtd-fs            VT-d first stage
#                                  vtd-off           VT-d second stage without dirty bits
#                                  amd-v1            AMD host tables
#                                  amd-v2            AMD guest tables
#                                  amd-off           AMD host tables without dirty bits
#                          arm64:  smmu-s1 (default) SMMUv3 stage 1 with dirty bits
#                                  smmu-s2           SMMUv3 stage 2 with dirty bits
#                                  smmu-off          SMMUv3 stage 1 without dirty bits
#                          riscv64:  riscv (default)  RISC-V first stage with dirty bits
#                                  riscv-off         the same without dirty bits
#                          all:    none
#   --arch ARCH            x86_64, arm64, riscv64 (default: that of the mode)
#   --mem SIZE --cpus N    default: 1G, 2
#   --edu N                number of edu devices, each in a separate IOMMU group
#                          (default: 2)
#   --dma-delay USEC,...   duration of a transfer, for each edu device; the last value
#                          also applies to the remaining devices (default: 0, no delay)
#   --drive FILE           a virtio disk, /dev/vda and so on (read-only)
#   --nvme FILE            the disk of an NVMe controller (read-only)
#   --igb N                x86_64: number of Intel 82576 network cards, which no network is
#                          connected to, each behind a separate root port and therefore
#                          in a separate IOMMU group (default: 0)
#   --gcov FILE            for a kernel that counts executed code (build.sh cov): write
#                          the counters to FILE, as a tar archive, when the command ends
#   --add FILE[:DEST]      put a file or folder in the guest (default: in /bin)
#   --append TEXT          append to the kernel's command line
#   --timeout SEC          default: 300
#   --log FILE             also write the console to FILE
#   --silence SEC          if the console is silent for that long, or RCU reports a
#                          stall: write the state of the CPUs to FILE.machine (FILE of
#                          --log), and send an NMI, which makes Linux panic (silence.py)
#   --quiet                do not show the console
#   --shell                run a shell on the console instead of a command
#
# Exits with the code of the command; 124: time limit reached; 125: the guest could not
# be started; 126: the guest died.
#
# The guest has busybox, the files of --add, and bind-vfio. KVM is used if a guest
# really boots with it (tried once, remembered in the cache).
. "$(dirname "$0")/../setup/common.sh"
die_code=125
# Any failure before the boot exits with 125
set -E
trap 'exit 125' ERR
here=$repo/tools/vm

kernel=plain arch='' iommu='' mem=1G cpus=2 edu=2 igb=0 delay=0 append='' timeout=300
gcov='' log='' silence='' quiet='' shell='' accel='' adds=() drives=() nvmes=()
while [ $# -gt 0 ]; do
	[[ $# -gt 1 || $1 != --* || $1 =~ ^--(quiet|shell|)$ ]] ||
		die "$1 is not an option, or needs a value: see the head of $0"
	case $1 in
	--kernel) kernel=$2 ;;
	--iommu) iommu=$2 ;;
	--arch) arch=$2 ;;
	--mem) mem=$2 ;;
	--cpus) cpus=$2 ;;
	--edu) edu=$2 ;;
	--igb) igb=$2 ;;
	--dma-delay) delay=$2 ;;
	--drive) drives+=("$2") ;;
	--nvme) nvmes+=("$2") ;;
	--gcov) gcov=$2 ;;
	--add) adds+=("$2") ;;
	--append) append+=" $2" ;;
	--timeout) timeout=$2 ;;
	--log) log=$2 ;;
	--silence) silence=$2 ;;
	--accel) accel=$2 ;;	# to try KVM, and for benchmarks
	--quiet) quiet=1; shift; continue ;;
	--shell) shell=1; shift; continue ;;
	--) shift; break ;;
	--*) die "unknown option $1: see the head of $0" ;;
	*) break ;;
	esac
	shift 2
done
case ${arch:-$iommu} in
'' | x86_64 | vtd-* | amd-* | none) arch=x86_64 iommu=${iommu:-vtd-ss} ;;
arm64 | smmu-*) arch=arm64 iommu=${iommu:-smmu-s1} ;;
riscv64 | riscv | riscv-*) arch=riscv64 iommu=${iommu:-riscv} ;;
*) die "unknown architecture or IOMMU mode ${arch:-$iommu}" ;;
esac
use_arch "$arch"
[ $# -gt 0 ] || [ -n "$shell" ] || die "no command: see the head of $0"

work=$(mktemp -d)
watcher=''
trap '[ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true; rm -rf "$work"' EXIT

initramfs() { # command...
	local root=$work/root add from to applet
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp "$busybox" "$root/bin/busybox"
	# The host's busybox is of the same release or the one before, with the same applets
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	cp "$here/guest/init" "$root/init"
	cp "$here/guest/bind-vfio" "$root/bin"
	chmod +x "$root/init" "$root/bin/bind-vfio"
	for add in "${adds[@]}"; do
		from=${add%%:*} to=bin/$(basename "${add%%:*}")
		[ "$from" = "$add" ] || to=${add#*:}
		[ -e "$from" ] || die "--add: no file $from"
		mkdir -p "$(dirname "$root/$to")"
		cp -rL --remove-destination "$from" "$root/$to"
	done
	echo "$*" >"$root/command"
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$work/initramfs"
}

boot() { # qemu accelerator arguments..., console options in "${console[@]}"
	local i fw dirs=() machine='' devices=() params='' delays usec=0
	local vtd=intel-iommu,intremap=on,aw-bits=48,x-scalable-mode=on
	local amd=amd-iommu,intremap=on
	# Linux 7 looks for the bridge of the IOAPIC, which this machine does not have, and
	# then does not remap interrupts
	local unsafe=iommufd.allow_unsafe_interrupts=1
	case $arch-$iommu in
	x86_64-vtd-ss) devices+=(-device "$vtd,x-ssads=on") ;;
	x86_64-vtd-off) devices+=(-device "$vtd") ;;
	x86_64-vtd-fs) devices+=(-device "$vtd,x-flts=on") ;;
	x86_64-amd-v1)
		devices+=(-device "$amd,x-hadsup=on")
		params="amd_iommu=pgtbl_v1 $unsafe"
		;;
	x86_64-amd-v2)
		devices+=(-device "$amd,x-giosup=on")
		params="amd_iommu=pgtbl_v2 $unsafe"
		;;
	x86_64-amd-off)
		# Only the guest tables have dirty bits, and they are not used
		devices+=(-device "$amd,x-giosup=on")
		params="amd_iommu=pgtbl_v1 $unsafe"
		;;
	arm64-smmu-s[12])
		# Later machine versions give every SMMU both stages
		machine=-9.0,iommu=smmuv3
		devices+=(-global "arm-smmuv3.stage=${iommu#smmu-s}" -global arm-smmuv3.x-httu=on)
		;;
	arm64-smmu-off) machine=,iommu=smmuv3 ;;
	riscv64-riscv)
		machine=,iommu-sys=on
		devices+=(-global riscv-iommu.x-hwad=on)
		;;
	riscv64-riscv-off) machine=,iommu-sys=on ;;
	*-none) ;;
	*) die "no IOMMU mode $iommu on $arch" ;;
	esac
	if [ "$arch" = arm64 ]; then
		machine=virt$machine,gic-version=3
		params="console=ttyAMA0 $params"
	elif [ "$arch" = riscv64 ]; then
		# The IOMMU translates no MSIs, so the kernel does not call them isolated
		machine=virt$machine,aia=aplic-imsic
		devices+=(-bios /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin)
		params="console=ttyS0 $unsafe $params"
	else
		machine=q35
		# Interrupt remapping requires it
		[ "$iommu" = none ] || machine+=,kernel-irqchip=split
		# Under load the watchdog considers the time stamp counter unstable, and the
		# guest switches to the ACPI timer, which is slow to read and 24 bits wide
		params="console=ttyS0 no_timer_check tsc=nowatchdog intel_iommu=on,sm_on $params"
		[ "$accel" != tcg ] || params="$(tsc_frequency)$params"
	fi
	# A slot for each device, and therefore an IOMMU group
	IFS=, read -ra delays <<<"$delay"
	for ((i = 0; i < edu; i++)); do
		usec=${delays[i]:-$usec}
		devices+=(-device "edu,addr=$((4 + i)),dma_mask=0xffffffffffffffff,x-dma-delay-us=$usec,x-state-window=on")
	done
	for i in "${!drives[@]}"; do
		devices+=(-drive "file=${drives[i]},if=none,format=raw,readonly=on,id=drive$i"
			-device "virtio-blk-pci,drive=drive$i")
	done
	for i in "${!nvmes[@]}"; do
		devices+=(-drive "file=${nvmes[i]},if=none,format=raw,readonly=on,id=nvme$i"
			-device "nvme,drive=nvme$i,serial=$i,addr=$((16 + i))")
	done
	for ((i = 0; i < igb; i++)); do
		# QEMU reads addr as hexadecimal. It warns of a card without a network, so give it
		# a socket that nothing connects to
		devices+=(-device "pcie-root-port,id=port$i,chassis=$((1 + i)),addr=$(printf %x $((26 + i)))"
			-netdev "stream,id=net$i,server=on,addr.type=unix,addr.path=$work/net$i"
			-device "igb,bus=port$i,netdev=net$i")
	done
	if [ -n "$gcov" ]; then
		rm -f "$gcov"
		truncate -s 64M "$gcov"
		devices+=(-drive "file=$gcov,if=none,format=raw,id=gcov"
			-device "virtio-blk-pci,drive=gcov,serial=gcov")
	fi
	for fw in /usr/share/seabios /usr/share/qemu; do
		dirs+=(-L "$fw")
	done
	timeout --foreground -k 5 "$timeout" "$qemu" "${dirs[@]}" -nodefaults -no-user-config \
		-display none -no-reboot -machine "$machine" "$@" -m "$mem" -smp "$cpus" \
		"${devices[@]}" -kernel "$image" -initrd "$work/initramfs" \
		${silence:+-qmp "unix:$work/qmp,server=on,wait=off"} \
		-append "$params panic=-1 loglevel=5 ${silence:+unknown_nmi_panic} ${shell:+vm-shell} $append" \
		"${console[@]}"
}

# Prints a kernel parameter with the frequency of the guest's TSC, which is the host's TSC
tsc_frequency() {
	local program
	[ "$(uname -m)" = x86_64 ] || return 0
	program=$cache/vm/tsc-khz-$(hash_files "$here/tsc-khz.c")
	if [ ! -x "$program" ]; then
		mkdir -p "$cache/vm"
		gcc -O2 -o "$program.$$" "$here/tsc-khz.c"
		mv "$program.$$" "$program"
	fi
	echo "tsc_early_khz=$("$program") "
}

accel_options() { # kvm|tcg|icount
	if [ "$1" = kvm ]; then
		echo "-accel kvm -cpu host"
	elif [ "$1" = icount ]; then
		# The clock counts instructions, one nanosecond each
		echo "-accel tcg,thread=single -icount shift=0,sleep=off -cpu max,la57=off"
	elif [ "$arch" = arm64 ]; then
		# Has atomic instructions, lacks features that are slow to emulate
		echo "-accel tcg,thread=multi -cpu neoverse-n1"
	elif [ "$arch" = riscv64 ]; then
		echo "-accel tcg,thread=multi -cpu rv64,sv57=off"
	else
		# Five-level page tables would only slow down the emulator
		echo "-accel tcg,thread=multi -cpu max,la57=off"
	fi
}

choose_accel() { # sets accel
	local file
	if [ "$target" != "$(uname -m)" ]; then
		accel=tcg
		return
	fi
	file=$cache/vm/accel-$(hash_files /etc/machine-id /proc/version "$qemu" 2>/dev/null || true)
	accel=$(cat "$file" 2>/dev/null) || accel=
	[ -z "$accel" ] || return 0
	accel=tcg
	mkdir -p "$cache/vm"
	if [ -r /dev/kvm ] && [ -w /dev/kvm ] &&
		"$0" --accel kvm --arch "$arch" --kernel "$image" --timeout 30 --quiet true \
			>"$cache/vm/kvm.log" 2>&1; then
		accel=kvm
	fi
	note "virtual machines run with $accel on this machine"
	echo "$accel" >"$file"
}

groups=(vm)
[ "$arch" != riscv64 ] || groups+=(riscv64)
"$repo/tools/setup/setup.sh" "${groups[@]}" || exit 125
qemu=$("$repo/tools/qemu/build.sh" "$target") || exit 125
busybox=$("$repo/tools/setup/busybox.sh" "$arch") || exit 125
image=$kernel
[[ $kernel == */* ]] || image=$("$repo/tools/overlay/build.sh" --arch "$arch" "$kernel") || exit 125
[ -f "$image" ] || die "no kernel $image"
[ -n "$accel" ] || choose_accel
[ -n "$log" ] || log=$work/console.log

initramfs "$@"
mkdir -p "$(dirname "$log")"
: >"$log"
console=(-chardev "file,id=con,path=$log" -serial chardev:con)
if [ -n "$shell" ]; then
	console=(-chardev "stdio,id=con,mux=on,signal=off,logfile=$log" -serial chardev:con -mon con)
elif [ -z "$quiet" ]; then
	console=(-chardev "stdio,id=con,signal=off,logfile=$log" -serial chardev:con)
	exec </dev/null
fi
rm -f "$log.machine"*
if [ -n "$silence" ]; then
	"$here/silence.py" "$work/qmp" "$log" "$silence" "$log.machine" &
	watcher=$!
fi
rc=0
# shellcheck disable=SC2046 # several words
boot $(accel_options "$accel") || rc=$?
case $rc in
124 | 137)
	note "time limit of $timeout s reached"
	exit 124
	;;
esac
[ "$rc" -eq 0 ] || die "QEMU failed ($rc)"
# Output of the command without a final newline may precede the marker
code=$(tr -d '\r' <"$log" | sed -n 's/^.*@@guest-exit \([0-9]*\)$/\1/p' | tail -n 1)
[ -n "$code" ] || { note "the guest died before the command ended"; exit 126; }
exit "$code"
