// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source: READs what the device has made dirty, sends it, and again, until
 * little is left; then it stops the device, sends the rest, and compares.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "migrate.h"

#define ROUND_US	200000	/* for a device that is not done yet */

struct source {
	const struct options *opt;
	struct device dev;
	__u32 tracker;
	char *mem;
	size_t pages;
	unsigned char *bitmap;
	int conn;
	size_t sent;
	double down;	/* seconds for which the device was stopped */
};

/* Something that differs from page to page, for whatever the device leaves */
static void fill(char *mem, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		mem_fill(mem + i, i * 0x9e3779b97f4a7c15ULL, PAGE);
}

static const char *format_name(__u32 format)
{
	switch (format) {
	case IOMMU_DIRTY_FMT_VTD_SS:
		return "VT-d second stage";
	case IOMMU_DIRTY_FMT_VTD_FS:
		return "VT-d first stage";
	case IOMMU_DIRTY_FMT_AMD_V1:
		return "AMD v1";
	case IOMMU_DIRTY_FMT_AMD_V2:
		return "AMD v2";
	case IOMMU_DIRTY_FMT_ARM_S1:
		return "Arm stage 1";
	case IOMMU_DIRTY_FMT_ARM_S2:
		return "Arm stage 2";
	case IOMMU_DIRTY_FMT_RISCV:
		return "RISC-V";
	default:
		return "unknown";
	}
}

/* Does tracking work here, and of which kind? */
static void show_tracker(struct source *src)
{
	struct iommu_dirty_member members[8];
	__u32 num = tracker_members(src->dev.iommufd, src->tracker, members, 8);
	__u32 i;

	for (i = 0; i < num; i++)
		printf("tracker     HWPT %u, %s, %s\n", members[i].id,
		       format_name(members[i].format),
		       members[i].reason ? "cannot be tracked" : "can be tracked");
}

/* Which pages has the device written to since the last time? */
static size_t read_dirty(struct source *src)
{
	struct read_args args = {
		.fd = src->dev.iommufd,
		.tracker = src->tracker,
		.iova = DEVICE_MEM_IOVA,
		.length = src->opt->size,
		.page_size = PAGE,
		.data = src->bitmap,
	};

	memset(src->bitmap, 0, src->pages / 8);
	return tracker_read(&args);
}

/* Sends the pages of the bitmap, runs of them at once */
static void send_round(struct source *src, const char *round, size_t num)
{
	double begin = now();
	size_t done = 0;
	size_t first, end;

	for (first = 0; first < src->pages && done < num; first = end) {
		if (!bitmap_test(src->bitmap, first)) {
			end = first + 1;
			continue;
		}
		for (end = first; end < src->pages && end - first < 256; end++)
			if (!bitmap_test(src->bitmap, end))
				break;
		channel_message(src->conn, MSG_PAGES, first * PAGE,
				(end - first) * PAGE);
		channel_send(src->conn, src->mem + first * PAGE,
			     (end - first) * PAGE);
		done += end - first;
		report_bar(round, done, num);
	}
	if (done != num)
		fatal("%zu pages of %zu sent", done, num);
	src->sent += done;
	report_line(round, done, src->pages, now() - begin);
}

static void migrate(struct source *src)
{
	const struct options *opt = src->opt;
	size_t num = src->pages;
	unsigned int round;
	char name[16];
	double stop;

	report_line(NULL, 0, 0, 0);
	/* All of it is unknown to the destination */
	memset(src->bitmap, 0xff, src->pages / 8);
	for (round = 1;; round++) {
		snprintf(name, sizeof(name), "%u", round);
		send_round(src, name, num);
		if (!opt->tracking)
			break;
		/* No need to hurry: it would not be the last round */
		if (!device_done(&src->dev))
			usleep(ROUND_US);
		num = read_dirty(src);
		if (device_done(&src->dev) &&
		    (num <= opt->small || round >= opt->max_rounds))
			break;
	}
	/* Without a tracker nobody knows that it is too early to stop */
	while (!device_done(&src->dev))
		usleep(ROUND_US);

	stop = now();
	device_stop(&src->dev);
	if (opt->tracking) {
		/* What the last READ found has not been sent: add to it */
		struct read_args args = {
			.fd = src->dev.iommufd,
			.tracker = src->tracker,
			.iova = DEVICE_MEM_IOVA,
			.length = opt->size,
			.page_size = PAGE,
			.data = src->bitmap,
		};

		num += tracker_read(&args);
		send_round(src, "last", num);
	}
	src->down = now() - stop;
}

/* Fetches all that the destination has, and compares it byte for byte */
static size_t compare(struct source *src)
{
	size_t differing = 0;
	char *theirs = mem_alloc(SZ_1M);
	size_t done, i, len;

	for (done = 0; done < src->opt->size; done += len) {
		len = src->opt->size - done < SZ_1M ? src->opt->size - done : SZ_1M;
		channel_recv(src->conn, theirs, len);
		for (i = 0; i < len; i += PAGE)
			differing += memcmp(theirs + i, src->mem + done + i, PAGE) != 0;
		report_bar("comparing", done + len, src->opt->size);
	}
	report_clear();
	mem_free(theirs, SZ_1M);
	return differing;
}

static bool verify(struct source *src)
{
	unsigned char ours[DIGEST_SIZE], theirs[DIGEST_SIZE], disk[DIGEST_SIZE];
	size_t differing;

	channel_message(src->conn, MSG_END, 0, 0);
	digest(src->mem, src->opt->size, ours);
	report_digest("source", ours);
	channel_recv(src->conn, theirs, sizeof(theirs));
	report_digest("destination", theirs);
	differing = compare(src);
	printf("compared    %zu of %zu pages differ\n", differing, src->pages);
	if (src->dev.ops->rewrites)
		return !differing && !memcmp(ours, theirs, DIGEST_SIZE);

	/* The memory is the disk: what says a driver that does no DMA to it? */
	digest_file(src->opt->file, src->opt->size, disk);
	report_digest("disk", disk);
	return !differing && !memcmp(disk, theirs, DIGEST_SIZE);
}

int run_source(struct options *opt)
{
	struct source src = { .opt = opt };
	double begin;
	bool same;

	report_open(opt->progress);
	random_init();
	device_open(&src.dev, opt);
	src.pages = opt->size / PAGE;
	src.mem = mem_alloc(opt->size);
	fill(src.mem, opt->size);
	src.bitmap = mem_alloc((src.pages + 7) / 8);
	device_map(&src.dev, src.mem);
	src.conn = channel_connect(opt->port);
	channel_message(src.conn, MSG_HELLO, 0, opt->size);

	printf("memory      %zu MiB, into which %s (%s) copies %s, %zu pages%s\n",
	       opt->size >> 20, src.dev.bdf, src.dev.ops->name, opt->file,
	       (size_t)((src.dev.disk_size + PAGE - 1) / PAGE),
	       src.dev.ops->rewrites ? ", and rewrites it" : "");
	if (opt->tracking) {
		src.tracker = tracker_alloc(src.dev.iommufd, src.dev.ioas);
		show_tracker(&src);
		tracker_start(src.dev.iommufd, src.tracker);
	} else {
		printf("tracker     none: what the device writes meanwhile is not noticed\n");
	}
	begin = now();
	device_start(&src.dev);
	migrate(&src);
	printf("migrated    %.1f MiB in %.2f seconds, the device stopped for the last %.3f\n",
	       src.sent * (double)PAGE / SZ_1M, now() - begin, src.down);
	printf("device      has copied %zu pages and rewritten %zu meanwhile\n",
	       src.dev.copied, src.dev.rewritten);

	same = verify(&src);
	device_close(&src.dev);
	printf("destination identical: %s\n", same ? "yes" : "no");
	return !same;
}
