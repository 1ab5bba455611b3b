// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Uses the header and the library from C++. Names of structs, functions and flags must not
 * need more than they do in C.
 */
#include <iommudirty.h>

#include <cstdio>
#include <cstring>

#if IDIRTY_VERSION_MAJOR != 1
#error "another interface"
#endif

int main()
{
	unsigned char bitmap[1] = { 6 };
	int id = 3;
	idirty_target target = IDIRTY_TARGET(id);
	idirty_read_args read = {};
	idirty_scan_args scan = {};
	idirty_unmap_args unmap = {};
	idirty_mark_args mark = {};
	idirty_member member = {};
	idirty_tracker_info *info = nullptr;
	idirty_tracker *none = nullptr;
	idirty_map *map;

	read.size = sizeof(read);
	read.page_size = 4096;
	scan.size = sizeof(scan);
	if (idirty_read(&none, 0, &read, nullptr) >= 0 || idirty_scan(&none, 0, &scan) >= 0)
		return 1;
	/* Only check that these are declared */
	if (!&idirty_unmap || !&idirty_info || !&idirty_mark || unmap.flags || mark.flags || info ||
	    !&idirty_set_trackable)
		return 1;
	if (member.split_reason != IDIRTY_REASON_OK || member.flags & IDIRTY_MEMBER_SPLITS)
		return 1;
	if (std::strcmp(idirty_weakness_text(1U << 2), idirty_weakness_text(IDIRTY_WEAK_HOLES)))
		return 1;
	if (idirty_bitmap_count(bitmap, 8) != 2 || target.vfio_fd != -1 || target.id != 3)
		return 1;
	if (idirty_map_new(&map))
		return 1;
	idirty_map_free(map);
	std::puts("ok - c++");
	return 0;
}
