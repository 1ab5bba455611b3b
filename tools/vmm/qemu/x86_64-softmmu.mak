# SPDX-License-Identifier: GPL-2.0-only
# The devices of the inner machine: only those that the tests use
# the machine type, with its serial port
CONFIG_Q35=y
# intel-iommu, for the cases with a virtual IOMMU
CONFIG_VTD=y
# passed-through devices, and their backend
CONFIG_VFIO_PCI=y
CONFIG_IOMMUFD=y
