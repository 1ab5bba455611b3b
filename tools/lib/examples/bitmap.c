// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Prints the runs of a bitmap in the format of READ, by address and by page.
 */
#include <stdio.h>

#include <iommudirty.h>

#define PAGE	4096

int main(void)
{
	/* Pages 1, 2 and 9 of a range that begins in the middle of page 0 */
	const struct idirty_range range = { 0x10000800, 10 * PAGE };
	const unsigned char bitmap[2] = { 0x06, 0x02 };
	uint64_t pages = idirty_bitmap_pages(range.iova, range.length, PAGE);
	uint64_t pos = 0, first = 0, end;
	struct idirty_range run;

	printf("%llu pages, of which %llu are dirty\n", (unsigned long long)pages,
	       (unsigned long long)idirty_bitmap_count(bitmap, pages));
	while (idirty_bitmap_next_run(bitmap, &range, PAGE, &pos, &run))
		printf("%#llx, %llu bytes\n", (unsigned long long)run.iova,
		       (unsigned long long)run.length);
	for (; idirty_bitmap_next(bitmap, pages, &first, &end); first = end)
		printf("pages %llu to %llu\n", (unsigned long long)first,
		       (unsigned long long)end - 1);
	return 0;
}
