// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metrics as a file, such as for the textfile collector of Prometheus's node exporter:
 * that reads files whose names end with .prom, in Prometheus's own format.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"

/* Takes @fd over; 0 or -errno */
static int write_to(int fd, const struct exporter *x, enum metrics_format format)
{
	FILE *f;
	bool good;

	errno = 0;
	/* Its readers have other users */
	if (fchmod(fd, 0644))
		return -errno;
	f = fdopen(fd, "w");
	if (!f)
		return -errno;
	good = metrics_write(f, x, format);
	good = !fclose(f) && good;
	if (good)
		return 0;
	return errno ? -errno : -EIO;
}

int textfile_write(const char *path, const struct exporter *x)
{
	char temporary[PATH_MAX];
	int fd, rc;

	/* In the same folder, so that it can be renamed, and without .prom at its end */
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkstemp(temporary);
	if (fd < 0)
		return -errno;
	rc = write_to(fd, x, ends_with(path, ".prom") ? PROMETHEUS_TEXT : OPENMETRICS);
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (rc)
		unlink(temporary);
	return rc;
}
