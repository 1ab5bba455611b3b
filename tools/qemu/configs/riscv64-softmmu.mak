# SPDX-License-Identifier: GPL-2.0-only
# The devices of the emulator: only those that the tests use
# the machine type, with its serial port, its PCIe bus and riscv-iommu, the model under
# test
CONFIG_RISCV_VIRT=y
# a small PCI device with a DMA engine
CONFIG_EDU=y
# a host file as a guest disk
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
