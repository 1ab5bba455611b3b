// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's switches that leave out steps that lossless tracking relies on
 * (CONFIG_IOMMUFD_DIRTY_BREAK). Tests use them to prove that they can fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib.h"

#define PARAMETER	"/sys/module/iommufd/parameters/dirty_break"

bool break_kernel(unsigned int bits)
{
	int fd = open(PARAMETER, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (dprintf(fd, "%u", bits) < 1)
		fatal("%s: error %d", PARAMETER, errno);
	close(fd);
	return true;
}
