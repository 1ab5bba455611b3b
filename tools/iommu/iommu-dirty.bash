# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of iommu-dirty for bash.

_iommu_dirty() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words
	local observe="--pid --device --fd --page-size --duration --json --help --version"

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "probe list clean rate watch record heatmap advise migrate help --help --version" -- "$cur")
		return
	fi
	case $prev in
	--pid)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G "${cur}[0-9]*")
		return
		;;
	--device)
		mapfile -t COMPREPLY < <(cd /sys/bus/pci/devices && compgen -G "$cur*")
		return
		;;
	--page-size)
		mapfile -t COMPREPLY < <(compgen -W "4K 64K 2M 1G" -- "$cur")
		return
		;;
	--workload)
		mapfile -t COMPREPLY < <(compgen -W "nvme edu" -- "$cur")
		return
		;;
	--provider)
		mapfile -t COMPREPLY < <(compgen -W "iommu device both" -- "$cur")
		return
		;;
	--on-limit)
		mapfile -t COMPREPLY < <(compgen -W "give-up stop-anyway" -- "$cur")
		return
		;;
	--driver)
		mapfile -t COMPREPLY < <(cd /sys/bus/pci/drivers && compgen -G "$cur*vfio*")
		return
		;;
	--sysfs)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--output | --replay | --image)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case ${COMP_WORDS[1]} in
	help) words="probe list clean rate watch record heatmap advise migrate" ;;
	probe) words="--vfio --sysfs --json --help --version" ;;
	list | clean) words="--pid --device --fd --json --help --version" ;;
	rate | watch) words=$observe ;;
	record) words="$observe --output --interval" ;;
	heatmap) words="--output --json --ioas --rows --columns --from --to --help --version" ;;
	advise) words="--pid --device --fd --interval --repeat --bandwidth --slowdown --devices --throughput-cmd
		--output --replay --json --help --version" ;;
	migrate)
		words="--to --listen --workload --driver --image --size --writes --downtime
			--max-rounds --on-limit --round-delay --provider --no-tracking --max-memory --progress
			--no-progress --json --help --version"
		;;
	*) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[ "${COMP_WORDS[1]}" != migrate ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY \
		< <(cd /sys/bus/pci/devices && compgen -G "$cur*")
	[ "${COMP_WORDS[1]}" != heatmap ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
}

complete -o filenames -F _iommu_dirty iommu-dirty
