# The devices of the emulator: nothing that the tests do not use
# the machine type, with its serial port and ACPI power-off
CONFIG_Q35=y
# intel-iommu and amd-iommu, the models under test
CONFIG_VTD=y
CONFIG_AMD_IOMMU=y
# a small PCI device with a DMA engine
CONFIG_EDU=y
# a file of the host as a disk of the guest
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
# a disk of the guest that vfio-pci can take
CONFIG_NVME_PCI=y
