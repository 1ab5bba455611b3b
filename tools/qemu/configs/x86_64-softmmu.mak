# SPDX-License-Identifier: GPL-2.0-only
# The devices of the emulator: only those that the tests use
# the machine type, with its serial port and ACPI power-off
CONFIG_Q35=y
# intel-iommu and amd-iommu, the models under test
CONFIG_VTD=y
CONFIG_AMD_IOMMU=y
# a small PCI device with a DMA engine
CONFIG_EDU=y
# a host file as a guest disk
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
# a guest disk that vfio-pci can drive
CONFIG_NVME_PCI=y
# a network card, for Linux's own tests of VFIO; the card needs a root port, and igb.c
# functions that QEMU builds only with e1000e
CONFIG_IGB_PCI_EXPRESS=y
CONFIG_E1000E_PCI_EXPRESS=y
CONFIG_PCIE_PORT=y
