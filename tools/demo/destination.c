// SPDX-License-Identifier: GPL-2.0-only
/*
 * The destination: takes pages as they come, and at the end shows what it has.
 */
#include <unistd.h>

#include "migrate.h"

static void receive_pages(int conn, char *mem, size_t size, struct message *msg)
{
	if (msg->offset > size || msg->length > size - msg->offset)
		fatal("pages beyond the end of the memory");
	channel_recv(conn, mem + msg->offset, msg->length);
}

static void show(int conn, const char *mem, size_t size)
{
	unsigned char sum[DIGEST_SIZE];

	digest(mem, size, sum);
	channel_send(conn, sum, sizeof(sum));
	channel_send(conn, mem, size);
}

int run_destination(const struct options *opt)
{
	int conn = channel_listen(opt->port);
	struct message msg;
	size_t size;
	char *mem;

	channel_recv(conn, &msg, sizeof(msg));
	if (msg.type != MSG_HELLO || !msg.length)
		fatal("this is no migration");
	size = msg.length;
	mem = mem_alloc(size);

	for (;;) {
		channel_recv(conn, &msg, sizeof(msg));
		if (msg.type == MSG_PAGES)
			receive_pages(conn, mem, size, &msg);
		else
			break;
	}
	show(conn, mem, size);
	close(conn);
	return 0;
}
