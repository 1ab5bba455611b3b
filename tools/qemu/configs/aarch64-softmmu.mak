# The devices of the emulator: nothing that the tests do not use
# the machine type, with its serial port, its PCIe bus and arm-smmuv3, the model
# under test
CONFIG_ARM_VIRT=y
# a small PCI device with a DMA engine
CONFIG_EDU=y
# a file of the host as a disk of the guest
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
