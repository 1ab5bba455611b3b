// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inner machine "q35" in 32-bit mode: loaded by multiboot, with a UART at the ports
 * of COM1 and PCI configuration through ports. SeaBIOS has assigned the BARs.
 */
#include "inner.h"

#define COM1		0x3f8
#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc

#define MULTIBOOT_OPTIONS	4	/* flag: multiboot::options is valid */

struct multiboot {
	uint32_t flags;
	uint32_t unused[3];
	uint32_t options;
};

static void port_write8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void port_write32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t port_read8(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t port_read32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void put(char c)
{
	while (!(port_read8(COM1 + 5) & 0x20))
		;
	port_write8(COM1, c);
}

uint32_t read32(uintptr_t address)
{
	uint32_t value;

	asm volatile("movl %1, %0" : "=r"(value) : "m"(*(uint32_t *)address) : "memory");
	return value;
}

void write32(uintptr_t address, uint32_t value)
{
	asm volatile("movl %1, %0" : "=m"(*(uint32_t *)address) : "r"(value) : "memory");
}

uint32_t pci_read(unsigned int slot, unsigned int reg)
{
	port_write32(PCI_ADDRESS, 1u << 31 | slot << 11 | reg);
	return port_read32(PCI_DATA);
}

void pci_write(unsigned int slot, unsigned int reg, uint32_t value)
{
	port_write32(PCI_ADDRESS, 1u << 31 | slot << 11 | reg);
	port_write32(PCI_DATA, value);
}

uintptr_t pci_bar(unsigned int slot)
{
	return pci_read(slot, 0x10) & ~15u;
}

void fence(void)
{
	asm volatile("" : : : "memory");
}

/* Called by x86-start.S */
void start(const struct multiboot *info)
{
	run(info->flags & MULTIBOOT_OPTIONS ? (const char *)info->options : "");
}
