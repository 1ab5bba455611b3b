// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Uses the header and the library from C++ */
#include <iommudirty.h>

#include <cstdio>

int main()
{
	unsigned char bitmap[1] = { 6 };
	idirty_target target = IDIRTY_TARGET(1);
	idirty_map *map;
	int id = 3;
	idirty_target other = IDIRTY_TARGET(id);
	/* There are also functions with these names */
	struct idirty_read read = {};
	struct idirty_scan scan = {};
	struct idirty_unmap unmap = {};
	struct idirty_info *info = nullptr;
	idirty_tracker *none = nullptr;

	read.page_size = 4096;
	if (idirty_read(&none, 0, &read, nullptr) >= 0 || idirty_scan(&none, 0, &scan) >= 0)
		return 1;
	/* Only check that these are declared */
	if (!&idirty_unmap || !&idirty_info || unmap.flags || info || other.id != 3)
		return 1;
	if (idirty_bitmap_count(bitmap, 8) != 2 || target.vfio_fd != -1)
		return 1;
	if (idirty_map_new(&map))
		return 1;
	idirty_map_free(map);
	std::puts("ok - c++");
	return 0;
}
