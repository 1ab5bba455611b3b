// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inner machine "virt,highmem=off": QEMU loads the software as an ELF file. There is
 * no firmware and no IOMMU. Device addresses are those of QEMU's hw/arm/virt.c.
 */
#include "inner.h"

#define UART		0x09000000ul
#define UART_FLAGS	(UART + 0x18)
#define UART_FULL	0x20
#define PCI_MMIO	0x10000000ul
#define PCI_ECAM	0x3f000000ul
#define BAR_SIZE	0x100000	/* of an edu device */

uint32_t read32(uintptr_t address)
{
	uint32_t value;

	asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

void write32(uintptr_t address, uint32_t value)
{
	asm volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

void put(char c)
{
	while (read32(UART_FLAGS) & UART_FULL)
		;
	write32(UART, c);
}

uint32_t pci_read(unsigned int slot, unsigned int reg)
{
	return read32(PCI_ECAM + (slot << 15) + reg);
}

void pci_write(unsigned int slot, unsigned int reg, uint32_t value)
{
	write32(PCI_ECAM + (slot << 15) + reg, value);
}

uintptr_t pci_bar(unsigned int slot)
{
	pci_write(slot, 0x10, PCI_MMIO + slot * BAR_SIZE);
	return PCI_MMIO + slot * BAR_SIZE;
}

void fence(void)
{
	asm volatile("dsb sy" : : : "memory");
}

bool iommu_start(void)
{
	return false;
}

void iommu_map(unsigned int number, const void *page)
{
}

uintptr_t iommu_address(unsigned int number)
{
	return 0;
}

/* Called by arm64-start.S */
void start(void)
{
	run("");
}
