#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots a kernel in the project's QEMU, runs a command in it, powers it off.
#
# Usage: run.sh [OPTION...] [--] COMMAND...     COMMAND is for the guest's shell
#
#   --kernel CONFIG|FILE   a config of tools/overlay/build.sh, or a bzImage
#                          (default: plain)
#   --iommu MODE           vtd-ss: VT-d second stage with dirty bits (default)
#                          vtd-fs: VT-d first stage; none
#   --mem SIZE --cpus N    default: 1G, 2
#   --edu N                that many edu devices, an IOMMU group each (default: 2)
#   --dma-delay USEC       how long an edu transfer takes (default: 0, none)
#   --drive FILE           a virtio disk, /dev/vda and so on (read-only)
#   --add FILE[:DEST]      put a file or folder in the guest (default: in /bin)
#   --append TEXT          more of the kernel's command line
#   --timeout SEC          default: 300
#   --log FILE             where the console goes too
#   --quiet                do not show the console
#   --shell                a shell on the console instead of a command
#
# Exits with the code of the command; 124: it took too long; 125: it could not
# be started; 126: the guest died.
#
# In the guest there are busybox, what --add brought, and bind-vfio. KVM is used
# where a guest really boots with it (tried once, remembered in the cache).
. "$(dirname "$0")/../setup/common.sh"
die_code=125
here=$repo/tools/vm

kernel=plain iommu=vtd-ss mem=1G cpus=2 edu=2 delay=0 append='' timeout=300
log='' quiet='' shell='' accel='' adds=() drives=()
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) kernel=$2 ;;
	--iommu) iommu=$2 ;;
	--mem) mem=$2 ;;
	--cpus) cpus=$2 ;;
	--edu) edu=$2 ;;
	--dma-delay) delay=$2 ;;
	--drive) drives+=("$2") ;;
	--add) adds+=("$2") ;;
	--append) append=$2 ;;
	--timeout) timeout=$2 ;;
	--log) log=$2 ;;
	--accel) accel=$2 ;;	# for the trial of KVM
	--quiet) quiet=1; shift; continue ;;
	--shell) shell=1; shift; continue ;;
	--) shift; break ;;
	--*) die "no option $1: see the head of $0" ;;
	*) break ;;
	esac
	shift 2 || die "$1 needs a value"
done
[ $# -gt 0 ] || [ -n "$shell" ] || die "which command? See the head of $0"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

initramfs() { # command...
	local root=$work/root add from to applet
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp "$(command -v busybox)" "$root/bin/busybox"
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
	local i fw dirs=() machine=q35,kernel-irqchip=split devices=()
	local vtd=intel-iommu,intremap=on,aw-bits=48,x-scalable-mode=on
	case $iommu in
	vtd-ss) devices+=(-device "$vtd,x-ssads=on") ;;
	vtd-fs) devices+=(-device "$vtd,x-flts=on") ;;
	none) machine=q35 ;;
	*) die "no IOMMU mode $iommu" ;;
	esac
	# each in a slot of its own: a group of its own
	for ((i = 0; i < edu; i++)); do
		devices+=(-device "edu,addr=$((4 + i)),dma_mask=0xffffffffffffffff,x-dma-delay-us=$delay")
	done
	for i in "${!drives[@]}"; do
		devices+=(-drive "file=${drives[i]},if=none,format=raw,readonly=on,id=drive$i"
			-device "virtio-blk-pci,drive=drive$i")
	done
	for fw in /usr/share/seabios /usr/share/qemu; do
		dirs+=(-L "$fw")
	done
	timeout --foreground -k 5 "$timeout" "$qemu" "${dirs[@]}" -nodefaults -no-user-config \
		-display none -no-reboot -machine "$machine" "$@" -m "$mem" -smp "$cpus" \
		"${devices[@]}" -kernel "$image" -initrd "$work/initramfs" \
		-append "console=ttyS0 no_timer_check panic=-1 loglevel=5 intel_iommu=on,sm_on ${shell:+vm-shell} $append" \
		"${console[@]}"
}

accel_options() { # kvm|tcg
	if [ "$1" = kvm ]; then
		echo "-accel kvm -cpu host"
	else
		# five-level tables would only make the emulator slower
		echo "-accel tcg,thread=multi -cpu max,la57=off"
	fi
}

choose_accel() { # sets accel
	local file
	file=$cache/vm/accel-$(hash_files /etc/machine-id /proc/version "$qemu" 2>/dev/null || true)
	accel=$(cat "$file" 2>/dev/null) || accel=
	[ -z "$accel" ] || return 0
	accel=tcg
	if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
		note "trying whether a guest boots with KVM"
		if "$0" --accel kvm --kernel "$image" --timeout 30 --quiet true; then
			accel=kvm
		fi
	fi
	note "virtual machines run with $accel on this machine"
	mkdir -p "$cache/vm"
	echo "$accel" >"$file"
}

"$repo/tools/setup/setup.sh" vm || exit 125
qemu=$("$repo/tools/qemu/build.sh") || exit 125
image=$kernel
[[ $kernel == */* ]] || image=$("$repo/tools/overlay/build.sh" "$kernel") || exit 125
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
code=$(tr -d '\r' <"$log" | sed -n 's/^@@guest-exit \([0-9]*\)$/\1/p' | tail -n 1)
[ -n "$code" ] || { note "the guest died before the command ended"; exit 126; }
exit "$code"
