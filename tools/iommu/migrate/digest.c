// SPDX-License-Identifier: GPL-2.0-only
/*
 * Digests and sums, to compare the two sides and the disk.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

#include "migrate.h"

#define BLOCK	0x100000UL

void digest(const void *mem, size_t len, unsigned char out[DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, mem);
	sha256_digest(&ctx, DIGEST_SIZE, out);
}

int digest_file(const char *name, size_t len, unsigned char out[DIGEST_SIZE])
{
	static unsigned char block[BLOCK];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct sha256_ctx ctx;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	sha256_init(&ctx);
	while (len) {
		size_t part = len < BLOCK ? len : BLOCK;

		if (n > 0)
			n = read(fd, block, part);
		if (n < 0) {
			n = -errno;
			close(fd);
			return n;
		}
		if (n)
			part = n;
		else
			memset(block, 0, part);
		sha256_update(&ctx, part, block);
		len -= part;
	}
	sha256_digest(&ctx, DIGEST_SIZE, out);
	close(fd);
	return 0;
}

/* Each step is invertible, so pages that differ in one word never have the same sum */
void page_sum(const void *page, unsigned char out[SUM_SIZE])
{
	const uint64_t *words = page;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < PAGE / sizeof(*words); i++) {
		sum = (sum ^ le64toh(words[i])) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 29;
	}
	sum = htole64(sum);
	memcpy(out, &sum, SUM_SIZE);
}
