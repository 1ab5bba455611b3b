// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole software of an inner virtual machine: edu devices rewrite pages, and
 * before each rewrite the CPU checks every word of the page. The expected content is
 * kept in memory that the CPU writes, so it migrates even if device writes are lost.
 * A page that a migration has missed is bad on the destination.
 *
 * Prints to the serial port, for tools/vmm/guest/vm.c:
 *   "devices N iommu N remap N"     once
 *   "bad page N words N first N wanted N rewrite N of N"   for the first few bad pages:
 *                                   how many words are wrong, what word 0 is and should
 *                                   be, the rewrite that wrote it, of how many so far
 *   "pass N bad N"                  after each pass over all pages: the sum of bad pages
 *
 * With an IOMMU in the machine all pages stay mapped. With the option "remap", each
 * transfer is mapped separately, as Linux does in strict mode.
 */
#include "inner.h"

#define PAGES		256
#define WORDS		(PAGE_SIZE / 4)

#define EDU_ID		0x11e81234
#define EDU_DEVICES	2
#define EDU_BUFFER	0x40000
#define EDU_DMA		0x80
#define EDU_START	1
#define EDU_TO_MEMORY	2

/* Numbers of mappings */
#define SEED		0
#define FIRST_PAGE	1

static uintptr_t edu[EDU_DEVICES];
static unsigned int devices;
static bool translating, remapping;
static uint32_t expected[PAGES];	/* rewrite that a page holds; 0: none yet */
static PAGE_ALIGNED uint32_t seed[WORDS];
static PAGE_ALIGNED uint32_t pages[PAGES][WORDS];

static void say(const char *text, uint32_t number)
{
	int shift;

	while (*text)
		put(*text++);
	for (shift = 28; shift >= 0; shift -= 4)
		put("0123456789abcdef"[number >> shift & 15]);
}

static bool has_word(const char *text, const char *wanted)
{
	const char *t, *w;

	for (; *text; text++) {
		for (t = text, w = wanted; *w && *t == *w; t++, w++)
			;
		if (!*w)
			return true;
	}
	return false;
}

static void find_devices(void)
{
	unsigned int slot;

	for (slot = 0; slot < PCI_SLOTS && devices < EDU_DEVICES; slot++) {
		if (pci_read(slot, 0) != EDU_ID)
			continue;
		edu[devices++] = pci_bar(slot);
		/* memory space and bus master */
		pci_write(slot, 4, (pci_read(slot, 4) & 0xffff) | 6);
	}
}

static void transfer(uintptr_t device, uintptr_t from, uintptr_t to, uint32_t command)
{
	uintptr_t reg = device + EDU_DMA;

	write32(reg, from);
	write32(reg + 4, (uint64_t)from >> 32);
	write32(reg + 8, to);
	write32(reg + 12, (uint64_t)to >> 32);
	write32(reg + 16, PAGE_SIZE);
	write32(reg + 20, 0);
	write32(reg + 24, command);
	while (read32(reg + 24) & EDU_START)
		;
}

static uintptr_t address(unsigned int number, const void *page)
{
	return translating ? iommu_address(number) : (uintptr_t)page;
}

static uint32_t word(uint32_t page, uint32_t rewrite, uint32_t i)
{
	return rewrite * 2654435761u ^ page << 12 ^ i;
}

/* Returns how many words of a page are wrong */
static uint32_t wrong_words(uint32_t page)
{
	uint32_t i, wrong = 0;

	for (i = 0; expected[page] && i < WORDS; i++)
		wrong += pages[page][i] != word(page, expected[page], i);
	return wrong;
}

static void rewrite_page(uint32_t page, uint32_t rewrite)
{
	uintptr_t device = edu[page % devices];
	unsigned int number = FIRST_PAGE + page;
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		seed[i] = word(page, rewrite, i);
	if (remapping)
		iommu_map(number, pages[page]);
	fence();
	transfer(device, address(SEED, seed), EDU_BUFFER, EDU_START);
	transfer(device, EDU_BUFFER, address(number, pages[page]), EDU_START | EDU_TO_MEMORY);
	fence();
	if (remapping)
		iommu_map(number, 0);
	expected[page] = rewrite;
}

static void start_iommu(const char *options)
{
	uint32_t page;

	translating = iommu_start();
	if (!translating)
		return;
	remapping = has_word(options, "remap");
	iommu_map(SEED, seed);
	for (page = 0; !remapping && page < PAGES; page++)
		iommu_map(FIRST_PAGE + page, pages[page]);
}

void run(const char *options)
{
	uint32_t page, rewrites = 0, passes = 0, bad = 0, wrong;

	find_devices();
	start_iommu(options);
	say("devices ", devices);
	say(" iommu ", translating);
	say(" remap ", remapping);
	put('\n');
	while (devices) {
		for (page = 0; page < PAGES; page++) {
			wrong = wrong_words(page);
			if (wrong && bad++ < 4) {
				say("bad page ", page);
				say(" words ", wrong);
				say(" first ", pages[page][0]);
				say(" wanted ", word(page, expected[page], 0));
				say(" rewrite ", expected[page]);
				say(" of ", rewrites);
				put('\n');
			}
			rewrite_page(page, ++rewrites);
		}
		say("pass ", ++passes);
		say(" bad ", bad);
		put('\n');
	}
}
