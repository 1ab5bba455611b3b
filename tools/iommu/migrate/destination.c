// SPDX-License-Identifier: GPL-2.0-only
/*
 * The destination: receives memory, and the state of a device into a device of its own,
 * which runs once everything has arrived. Then it sends digests of what it has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "migrate.h"

struct destination {
	const struct migrate_options *opt;
	struct workload work;
	struct state state;
	struct stream_io io;
	bool opened;
};

/* A device is only needed here to take the state of the source's device */
static int open_device(struct destination *d, struct incoming *in)
{
	const char *name = d->opt->work.ops ? d->opt->work.ops->name : "nothing";
	const char *reason;
	int rc;

	if (in->num_devices > 1 || strcmp(in->devices[0].name, name)) {
		snprintf(in->error, sizeof(in->error), "no device for the state of %s here",
			 in->devices[0].name);
		return -ENODEV;
	}
	reason = workload_open(&d->work, &d->opt->work, true);
	d->opened = true;
	if (reason) {
		snprintf(in->error, sizeof(in->error), "%s", reason);
		return -ENODEV;
	}
	state_open(&d->state, d->work.fd);
	rc = d->state.flags ? state_resume(&d->state) : -EOPNOTSUPP;
	if (rc)
		snprintf(in->error, sizeof(in->error), "%s takes no state: %s", d->work.bdf,
			 strerror(-rc));
	return rc;
}

static int begin(void *arg, struct incoming *in)
{
	struct destination *d = arg;
	unsigned int i;
	void *mem;
	int rc;

	if (in->num_devices) {
		rc = open_device(d, in);
		if (rc)
			return rc;
	}
	for (i = 0; i < in->num_regions; i++) {
		struct stream_region *r = &in->regions[i];

		if (posix_memalign(&mem, PAGE, r->length))
			return -ENOMEM;
		r->mem = mem;
		memset(r->mem, 0, r->length);
		rc = in->num_devices ? workload_map(&d->work, r->mem, r->length, r->iova) : 0;
		if (rc)
			return rc;
	}
	report_text("memory", "%llu MiB in %u regions, the state of %u devices",
		    (unsigned long long)in->memory >> 20, in->num_regions, in->num_devices);
	return stream_put(&d->io, STREAM_READY, 0, 0, NULL, 0);
}

static int pages(void *arg, const struct incoming *in)
{
	(void)arg;
	report_bar("received", in->received, in->memory);
	return 0;
}

static int take_state(void *arg, unsigned int device, const void *data, size_t length)
{
	struct destination *d = arg;

	(void)device;
	return state_resume_data(&d->state, data, length);
}

/* A digest of each region and device, then a sum of each page */
static int send_result(struct destination *d, const struct incoming *in)
{
	size_t head = DIGEST_SIZE * (in->num_regions + in->num_devices);
	size_t size = head + in->memory / PAGE * SUM_SIZE, i;
	unsigned char *result = calloc(1, size), *sums;
	unsigned char page[PAGE];
	unsigned int n;
	int rc;

	if (!result)
		return -ENOMEM;
	sums = result + head;
	for (n = 0; n < in->num_regions; n++) {
		const struct stream_region *r = &in->regions[n];

		digest(r->mem, r->length, result + n * DIGEST_SIZE);
		report_digest("destination", result + n * DIGEST_SIZE);
		for (i = 0; i < r->length; i += PAGE, sums += SUM_SIZE)
			page_sum(r->mem + i, sums);
	}
	if (in->num_devices && d->work.ops->show_state) {
		d->work.ops->show_state(&d->work, page);
		digest(page, PAGE, result + in->num_regions * DIGEST_SIZE);
	}
	rc = stream_put(&d->io, STREAM_RESULT, 0, 0, result, size);
	free(result);
	return rc;
}

static int take_over(struct destination *d, struct incoming *in)
{
	int rc = d->opened ? state_run(&d->state) : 0;

	if (rc) {
		snprintf(in->error, sizeof(in->error), "%s does not run with this state: %s",
			 d->work.bdf, strerror(-rc));
		stream_put(&d->io, STREAM_REFUSED, 0, 0, in->error, strlen(in->error));
		return complain(EXIT_FAILED, "%s", in->error);
	}
	rc = stream_put(&d->io, STREAM_RUNNING, 0, 0, NULL, 0);
	report_text("received", "%.1f MiB and %llu bytes of device state", in->received / 1048576.0,
		    (unsigned long long)d->state.moved);
	rc = rc ?: send_result(d, in);
	return rc ? complain(EXIT_FAILED, "the source has gone: %s", strerror(-rc)) : EXIT_OK;
}

static int receive(struct destination *d, struct incoming *in)
{
	static const struct incoming_ops ops = {
		.begin = begin,
		.pages = pages,
		.state = take_state,
	};

	switch (stream_receive(&d->io, d->opt->max_memory, &ops, d, in)) {
	case INCOMING_COMPLETE:
		return take_over(d, in);
	case INCOMING_ABORTED:
		report_text("decision", "the source has given up");
		return EXIT_GAVE_UP;
	default:
		stream_put(&d->io, STREAM_REFUSED, 0, 0, in->error, strlen(in->error));
		return complain(EXIT_FAILED, "%s", in->error);
	}
}

int migrate_destination(const struct migrate_options *opt)
{
	struct destination d = { .opt = opt, .state.data_fd = -1 };
	struct incoming in;
	unsigned int i;
	int fd, rc;

	report_open(opt);
	fd = channel_listen(opt->listen);
	if (fd < 0)
		return EXIT_FAILED;
	channel_io(&d.io, fd);
	rc = receive(&d, &in);
	report_close();
	state_close(&d.state);
	if (d.opened)
		workload_close(&d.work);
	for (i = 0; i < in.num_regions; i++)
		free(in.regions[i].mem);
	incoming_free(&in);
	channel_close(fd);
	return rc;
}
