/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the parts of the inner machine's software. main.c is the same
 * for all machines; x86.c with vtd.c, and arm64.c each support one machine.
 */
#ifndef INNER_H
#define INNER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_SIZE	4096
#define PAGE_ALIGNED	alignas(PAGE_SIZE)
#define PCI_SLOTS	32

/* main.c: returns only if there is no device; @options is the command line */
void run(const char *options);

/* The machine */
void put(char c);
uint32_t read32(uintptr_t address);
void write32(uintptr_t address, uint32_t value);
uint32_t pci_read(unsigned int slot, unsigned int reg);
void pci_write(unsigned int slot, unsigned int reg, uint32_t value);
/* Address of BAR 0; assigns one if there is no firmware that does */
uintptr_t pci_bar(unsigned int slot);
/* Makes CPU writes visible to the device, and device writes visible to the CPU */
void fence(void);

/*
 * The machine's IOMMU, if it has one. Mappings have numbers from 0 on, one per page.
 * Mapping memory address 0 unmaps.
 */
bool iommu_start(void);
void iommu_map(unsigned int number, const void *page);
uintptr_t iommu_address(unsigned int number);

#endif
