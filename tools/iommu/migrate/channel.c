// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TCP connection between source and destination. It is neither encrypted nor
 * authenticated: the administrator decides which networks it may cross.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "migrate.h"

#define TRIES		100	/* at intervals of 0.1 s */
#define SILENCE_SECONDS	120	/* then the other side is considered dead */

/* getaddrinfo() takes larger numbers, and some of their bits */
static bool is_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && port >= 1 && port <= 65535;
}

/* Parses "HOST:PORT", "[HOST]:PORT", or "PORT" if @passive; NULL after a complaint */
static struct addrinfo *resolve(const char *where, bool passive)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	const char *what = where, *port = strrchr(where, ':');
	char host[256] = "127.0.0.1";
	size_t len = port ? port - where : 0;
	int rc;

	if (port && len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= sizeof(host) || (!len && !passive)) {
		complain(0, "%s is not HOST:PORT", where);
		return NULL;
	}
	if (len) {
		memcpy(host, where, len);
		host[len] = 0;
	}
	if (!is_port(port ? port + 1 : where)) {
		complain(0, "%s: the port is not a number from 1 to 65535", what);
		return NULL;
	}
	rc = getaddrinfo(host, port ? port + 1 : where, &hints, &found);
	if (rc) {
		complain(0, "%s: %s", what, gai_strerror(rc));
		return NULL;
	}
	return found;
}

static void configure(int fd)
{
	struct timeval limit = { .tv_sec = SILENCE_SECONDS };
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int channel_listen(const char *where)
{
	struct addrinfo *found = resolve(where, true);
	int one = 1, fd, conn;

	if (!found)
		return -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 1)) {
		complain(0, "cannot listen on %s: %s", where, strerror(errno));
		conn = -1;
	} else {
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (conn < 0)
			complain(0, "accept: %s", strerror(errno));
		else
			configure(conn);
	}
	freeaddrinfo(found);
	if (fd >= 0)
		close(fd);
	return conn;
}

/* Both sides may be starting: retries for ten seconds, and says so */
int channel_connect(const char *where)
{
	struct addrinfo *found = resolve(where, false), *a;
	int tries, fd, err = 0;

	for (tries = 0; found && tries < TRIES; tries++) {
		if (tries == 1)
			complain(0, "no destination at %s yet, trying for %d seconds", where,
				 TRIES / 10);
		for (a = found; a; a = a->ai_next) {
			fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (fd >= 0 && !connect(fd, a->ai_addr, a->ai_addrlen)) {
				freeaddrinfo(found);
				configure(fd);
				return fd;
			}
			err = errno;
			if (fd >= 0)
				close(fd);
		}
		if (err != ECONNREFUSED)
			break;
		sleep_until(seconds_now() + 0.1);
	}
	if (found) {
		freeaddrinfo(found);
		complain(0, "no destination at %s: %s", where, strerror(err));
	}
	return -1;
}

static int channel_put(void *arg, const void *data, size_t length, bool more)
{
	int fd = (intptr_t)arg;

	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		data = (const char *)data + n;
		length -= n;
	}
	return 0;
}

static int channel_get(void *arg, void *data, size_t length)
{
	int fd = (intptr_t)arg;

	while (length) {
		ssize_t n = recv(fd, data, length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -EPIPE;
		data = (char *)data + n;
		length -= n;
	}
	return 0;
}

bool channel_answered(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

void channel_close(int fd)
{
	char rest[16384];

	shutdown(fd, SHUT_WR);
	while (recv(fd, rest, sizeof(rest), 0) > 0)
		;
	close(fd);
}

void channel_io(struct stream_io *io, int fd)
{
	*io = (struct stream_io){
		.get = channel_get,
		.put = channel_put,
		.arg = (void *)(intptr_t)fd,
	};
}
