# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of iommu-dirty for bash, with the helpers of the package bash-completion. It
# handles words that bash splits at a colon or an equals sign, such as PCI addresses.

_iommu_dirty() {
	local cur prev words cword split commands options
	local observe="--pid --device --fd --page-size --duration --json --help --version"

	_init_completion -s -n : || return
	commands="probe list clean rate watch record heatmap export advise selftest migrate"
	if [ "$cword" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands help --help --version" -- "$cur")
		return
	fi
	case $prev in
	--pid)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G "${cur}[0-9]*")
		return
		;;
	--device)
		mapfile -t COMPREPLY < <(cd /sys/bus/pci/devices && compgen -G "$cur*")
		__ltrim_colon_completions "$cur"
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
		_filedir -d
		return
		;;
	--output | --replay | --image)
		_filedir
		return
		;;
	esac
	# Other values cannot be guessed
	! $split || return
	case ${words[1]} in
	help) options=$commands ;;
	probe) options="--vfio --sysfs --json --help --version" ;;
	list | clean) options="--pid --device --fd --json --help --version" ;;
	rate | watch) options=$observe ;;
	record) options="$observe --output --interval" ;;
	heatmap) options="--output --json --ioas --rows --columns --from --to --help --version" ;;
	selftest) options="--device --output --json --help --version" ;;
	export) options="--all --pid --listen --output --interval --page-size --help --version" ;;
	advise) options="--pid --device --fd --interval --repeat --bandwidth --slowdown --devices --throughput-cmd
		--output --replay --json --help --version" ;;
	migrate)
		options="--to --listen --workload --driver --image --size --writes --downtime
			--max-rounds --on-limit --round-delay --provider --no-tracking --max-memory --progress
			--no-progress --json --help --version"
		;;
	*) return ;;
	esac
	if [[ $cur == -* || ${words[1]} == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif [ "${words[1]}" = heatmap ]; then
		_filedir
	elif [ "${words[1]}" = migrate ]; then
		mapfile -t COMPREPLY < <(cd /sys/bus/pci/devices && compgen -G "$cur*")
		__ltrim_colon_completions "$cur"
	else
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	fi
}

complete -F _iommu_dirty iommu-dirty
