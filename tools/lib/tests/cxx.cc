// SPDX-License-Identifier: GPL-2.0-only
/* The header and the library from C++ */
#include <iommudirty.h>

#include <cstdio>

int main()
{
	unsigned char bitmap[1] = { 6 };
	idirty_target target = IDIRTY_TARGET(1);
	idirty_map *map;

	if (idirty_bitmap_count(bitmap, 8) != 2 || target.vfio_fd != -1)
		return 1;
	if (idirty_map_new(&map))
		return 1;
	idirty_map_free(map);
	std::puts("ok - c++");
	return 0;
}
