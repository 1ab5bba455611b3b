// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection between source and destination, and SHA-256.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migrate.h"

static struct sockaddr_in loopback(unsigned short port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

int channel_listen(unsigned short port)
{
	struct sockaddr_in addr = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;
	int conn;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 1))
		fatal("cannot listen on port %u: %s", port, strerror(errno));
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		fatal("accept: %s", strerror(errno));
	close(fd);
	return conn;
}

/* Both processes have just been started: try for ten seconds */
int channel_connect(unsigned short port)
{
	struct sockaddr_in addr = loopback(port);
	int tries;

	for (tries = 0; tries < 100; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int one = 1;

		if (fd < 0)
			fatal("socket: %s", strerror(errno));
		if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			return fd;
		}
		close(fd);
		usleep(100000);
	}
	fatal("no destination on port %u", port);
}

void channel_send(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			fatal("send: %s", strerror(errno));
		data = (const char *)data + n;
		len -= n;
	}
}

void channel_recv(int fd, void *data, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, data, len, 0);

		if (n <= 0)
			fatal("the other side has gone");
		data = (char *)data + n;
		len -= n;
	}
}

void channel_message(int fd, enum message_type type, uint64_t offset,
		     uint64_t length)
{
	struct message msg = { .type = type, .offset = offset, .length = length };

	channel_send(fd, &msg, sizeof(msg));
}

void digest(const void *mem, size_t len, unsigned char out[DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, mem);
	sha256_digest(&ctx, DIGEST_SIZE, out);
}

void digest_file(const char *name, size_t len, unsigned char out[DIGEST_SIZE])
{
	static char block[SZ_1M];
	struct sha256_ctx ctx;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		fatal("%s: %s", name, strerror(errno));
	sha256_init(&ctx);
	while (len) {
		size_t now = len < SZ_1M ? len : SZ_1M;

		if (n > 0)
			n = read(fd, block, now);
		if (n < 0)
			fatal("%s: %s", name, strerror(errno));
		if (n)
			now = n;
		else
			memset(block, 0, now);
		sha256_update(&ctx, now, (unsigned char *)block);
		len -= now;
	}
	sha256_digest(&ctx, DIGEST_SIZE, out);
	close(fd);
}
