// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a device, by VFIO's migration protocol (enum vfio_device_mig_state).
 * What the driver does not implement is skipped: without PRE_COPY all of the state is
 * read once the device has stopped; without P2P the device stops in one step; a driver
 * without the protocol has no state to move.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "migrate.h"

#define CHUNK	(256UL << 10)

static int feature(int fd, uint32_t flags, void *data, size_t size)
{
	struct {
		struct vfio_device_feature head;
		uint64_t data[2];
	} arg = {
		.head.argsz = sizeof(arg.head) + size,
		.head.flags = flags,
	};
	int rc;

	memcpy(arg.data, data, size);
	rc = ioctl(fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
	memcpy(data, arg.data, size);
	return rc;
}

static int go(struct state *s, enum vfio_device_mig_state to)
{
	struct vfio_device_feature_mig_state state = { .device_state = to };
	int rc = feature(s->fd, VFIO_DEVICE_FEATURE_SET |
			 VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &state, sizeof(state));

	if (!rc && state.data_fd >= 0 &&
	    (to == VFIO_DEVICE_STATE_PRE_COPY || to == VFIO_DEVICE_STATE_STOP_COPY ||
	     to == VFIO_DEVICE_STATE_RESUMING)) {
		if (s->data_fd >= 0)
			close(s->data_fd);
		s->data_fd = state.data_fd;
	}
	return rc;
}

void state_open(struct state *s, int fd)
{
	struct vfio_device_feature_migration flags = {};

	*s = (struct state){ .fd = fd, .data_fd = -1 };
	if (!feature(fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &flags,
		     sizeof(flags)) && (flags.flags & VFIO_MIGRATION_STOP_COPY))
		s->flags = flags.flags;
}

void state_close(struct state *s)
{
	if (s->data_fd >= 0)
		close(s->data_fd);
	s->data_fd = -1;
}

int state_precopy(struct state *s)
{
	return s->flags & VFIO_MIGRATION_PRE_COPY ? go(s, VFIO_DEVICE_STATE_PRE_COPY) : 0;
}

/* Moves up to @limit bytes, until there are no more */
static int pump(struct state *s, uint64_t limit, state_sink_fn *fn, void *arg)
{
	char *data = malloc(CHUNK);
	ssize_t n;
	int rc = data ? 0 : -ENOMEM;

	while (!rc && limit) {
		n = read(s->data_fd, data, limit < CHUNK ? limit : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOMSG)
			rc = -errno;
		if (n <= 0)
			break;
		s->moved += n;
		limit -= n;
		rc = fn(arg, data, n);
	}
	free(data);
	return rc;
}

/* Only what is available now: a busy device could continue forever */
int state_precopy_data(struct state *s, state_sink_fn *fn, void *arg)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };

	if (!(s->flags & VFIO_MIGRATION_PRE_COPY))
		return 0;
	if (ioctl(s->data_fd, VFIO_MIG_GET_PRECOPY_INFO, &info))
		return -errno;
	return pump(s, info.initial_bytes + info.dirty_bytes, fn, arg);
}

uint64_t state_estimate(const struct state *s)
{
	struct vfio_device_feature_mig_data_size size = {};

	if (!s->flags || feature(s->fd, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, sizeof(size)))
		return 0;
	return size.stop_copy_length;
}

int state_stop(struct state *s)
{
	int rc = 0;

	if (!s->flags)
		return 0;
	if (s->flags & VFIO_MIGRATION_P2P)
		rc = go(s, s->flags & VFIO_MIGRATION_PRE_COPY ?
			VFIO_DEVICE_STATE_PRE_COPY_P2P : VFIO_DEVICE_STATE_RUNNING_P2P);
	return rc ?: go(s, VFIO_DEVICE_STATE_STOP_COPY);
}

int state_stop_data(struct state *s, state_sink_fn *fn, void *arg)
{
	int rc = s->flags ? pump(s, STREAM_MAX_STATE - s->moved, fn, arg) : 0;

	return !rc && s->moved == STREAM_MAX_STATE ? -EFBIG : rc;
}

int state_run(struct state *s)
{
	int rc = s->flags ? go(s, VFIO_DEVICE_STATE_RUNNING) : 0;

	state_close(s);
	return rc;
}

int state_resume(struct state *s)
{
	return go(s, VFIO_DEVICE_STATE_RESUMING);
}

int state_resume_data(struct state *s, const void *data, size_t length)
{
	while (length) {
		ssize_t n = write(s->data_fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s->moved += n;
		data = (const char *)data + n;
		length -= n;
	}
	return 0;
}
