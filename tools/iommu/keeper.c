// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper: a child process that destroys the trackers of this program when this
 * program dies, however it dies. They would otherwise stay in the observed program,
 * which does not close its iommufd. The keeper has the same iommufds. It learns the id of
 * each tracker through a socket, whose end it sees when this program is gone. Used by
 * observe.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "iommu-dirty.h"

/* A tracker to keep, or to forget */
struct message {
	int fd;
	uint32_t id;
	bool forget;
};

struct kept {
	struct message *trackers;
	size_t num;
};

/* Fails with EBUSY while another call uses the tracker */
static void destroy(const struct message *tracker)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = tracker->id };
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (!ioctl(tracker->fd, IOMMU_DESTROY, &cmd) || errno != EBUSY)
			return;
		nanosleep(&pause, NULL);
	}
}

static bool keep(struct kept *kept, const struct message *tracker)
{
	struct message *more = realloc(kept->trackers, (kept->num + 1) * sizeof(*more));

	if (!more)
		return false;
	more[kept->num++] = *tracker;
	kept->trackers = more;
	return true;
}

static bool forget(struct kept *kept, const struct message *tracker)
{
	size_t i;

	for (i = 0; i < kept->num; i++)
		if (kept->trackers[i].fd == tracker->fd && kept->trackers[i].id == tracker->id)
			break;
	if (i == kept->num)
		return false;
	kept->trackers[i] = kept->trackers[--kept->num];
	return true;
}

/* Standard descriptors, unless one is the iommufd: nobody waits for the keeper to close them */
static void leave_output(const struct observer *o)
{
	int null = open("/dev/null", O_RDWR), fd;
	size_t i;

	for (fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++) {
		for (i = 0; i < o->num_files && o->files[i].fd != fd; i++)
			;
		if (i == o->num_files)
			dup2(null, fd);
	}
}

static void run(const struct observer *o, int sock)
{
	struct message message;
	struct kept kept = {};
	int i;

	/* What ends this program, its process group or its session must not end the keeper */
	setsid();
	for (i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
	leave_output(o);
	while (read(sock, &message, sizeof(message)) == sizeof(message)) {
		bool ok = message.forget ? forget(&kept, &message) : keep(&kept, &message);

		if (write(sock, &ok, sizeof(ok)) != sizeof(ok))
			break;
	}
	while (kept.num)
		destroy(&kept.trackers[--kept.num]);
	_exit(0);
}

static int sock = -1;
static pid_t child;

int keeper_start(const struct observer *o)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (!child) {
		close(pair[0]);
		run(o, pair[1]);
	}
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return -errno;
	}
	sock = pair[0];
	return 0;
}

static int tell(const struct message *message)
{
	bool ok = false;

	if (send(sock, message, sizeof(*message), MSG_NOSIGNAL) != sizeof(*message) ||
	    read(sock, &ok, sizeof(ok)) != sizeof(ok) || !ok)
		return -EIO;
	return 0;
}

int keeper_keep(int fd, uint32_t id)
{
	return tell(&(struct message){ .fd = fd, .id = id });
}

int keeper_forget(int fd, uint32_t id)
{
	return tell(&(struct message){ .fd = fd, .id = id, .forget = true });
}

void keeper_end(void)
{
	if (sock < 0)
		return;
	close(sock);
	sock = -1;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}
