// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VT-d unit of the inner machine "q35", if it has one (QEMU's intel-iommu): legacy
 * mode, one table for all devices of bus 0, and invalidation by registers. Pages are
 * invalidated one by one, also if they were not present: in caching mode QEMU learns of
 * new mappings that way.
 */
#include "inner.h"

#define VTD		0xfed90000u
#define VTD_GCMD	0x18
#define VTD_GSTS	0x1c
#define   TRANSLATE	0x80000000u
#define   SET_ROOT	0x40000000u
#define VTD_ROOT	0x20
#define VTD_CONTEXT	0x28	/* a command is the upper half of 64 bits */
#define   BUSY		0x80000000u
#define   CONTEXT_ALL	0xa0000000u
#define VTD_IVA		0xf0
#define VTD_IOTLB	0xf8
#define   IOTLB_ALL	0x90000000u
#define   IOTLB_PAGE	0xb0000000u	/* with the domain in the lowest bits */

#define PRESENT		1
#define READ_WRITE	3
#define DOMAIN		1
#define LEVELS_3	1

#define IOVA		0x10000000u
#define ENTRIES		512

static PAGE_ALIGNED uint64_t root[ENTRIES], context[ENTRIES];
static PAGE_ALIGNED uint64_t table3[ENTRIES], table2[ENTRIES], table1[ENTRIES];

static void command(uint32_t reg, uint32_t low, uint32_t high)
{
	fence();
	write32(VTD + reg, low);
	write32(VTD + reg + 4, high);
}

static void invalidate(uint32_t reg, uint32_t what)
{
	command(reg, 0, what);
	while (read32(VTD + reg + 4) & BUSY)
		;
}

static void enable(uint32_t what)
{
	write32(VTD + VTD_GCMD, what);
	while (!(read32(VTD + VTD_GSTS) & what))
		;
}

uintptr_t iommu_address(unsigned int number)
{
	return IOVA + number * PAGE_SIZE;
}

void iommu_map(unsigned int number, const void *page)
{
	table1[number] = page ? (uintptr_t)page | READ_WRITE : 0;
	command(VTD_IVA, iommu_address(number), 0);
	invalidate(VTD_IOTLB, IOTLB_PAGE | DOMAIN);
}

bool iommu_start(void)
{
	unsigned int slot;

	/* the version reads as 0 or all ones if there is no IOMMU */
	if (read32(VTD) == 0 || read32(VTD) == UINT32_MAX)
		return false;
	root[0] = (uintptr_t)context | PRESENT;
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		context[slot * 8 * 2] = (uintptr_t)table3 | PRESENT;
		context[slot * 8 * 2 + 1] = DOMAIN << 8 | LEVELS_3;
	}
	table3[0] = (uintptr_t)table2 | READ_WRITE;
	table2[IOVA >> 21] = (uintptr_t)table1 | READ_WRITE;
	command(VTD_ROOT, (uintptr_t)root, 0);
	enable(SET_ROOT);
	invalidate(VTD_CONTEXT, CONTEXT_ALL);
	invalidate(VTD_IOTLB, IOTLB_ALL);
	enable(TRANSLATE);
	return true;
}
