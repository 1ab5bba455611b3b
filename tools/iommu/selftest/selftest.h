/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of iommu-dirty selftest.
 *
 *   checks.c	what must hold wherever pages are tracked, and how long calls take
 *   device.c	a device of this host to check that with
 *   report.c	the results, and what host they are from
 *
 * tests/selftest.c has a device and an IOMMU that can be made wrong.
 */
#ifndef _SELFTEST_H
#define _SELFTEST_H

#include "iommu-dirty.h"

#define SELFTEST_PAGE	4096UL
/* The memory that the device writes to, 64 MiB, and its bitmap */
#define SELFTEST_PAGES	16384UL
#define SELFTEST_LONGS	(SELFTEST_PAGES / 64)

struct subject;

/* These return 0 or -errno, with the text in @subject->error */
struct subject_ops {
	/*
	 * Maps the memory, in the smallest entries, or in the largest that are possible. After
	 * these, there may be no small ones any more.
	 */
	int (*map)(struct subject *s, bool large);
	/* Unmaps it, and gets its dirty pages; NULL: by the ioctl that does not return any */
	int (*unmap)(struct subject *s, uint64_t *bitmap);
	int (*start)(struct subject *s);
	int (*stop)(struct subject *s);
	/* READs all of the memory */
	int (*read)(struct subject *s, uint64_t *bitmap);
	/* Detaches the device from the IOAS and attaches it again */
	int (*reattach)(struct subject *s);
	/* The size of the largest entry in use */
	uint64_t (*entry)(struct subject *s);
	/*
	 * The device writes one page, and has finished. Equal sources are equal data, or
	 * differ each time.
	 */
	void (*write)(struct subject *s, size_t page, unsigned int source);
};

struct subject {
	const struct subject_ops *ops;
	unsigned char *memory;
	unsigned int sources;
	bool may_fault;		/* it survives when its writes are refused */
	double seconds;		/* for a check that takes time to find something */
	char error[200];
	bool mapped;
	bool running;
};

enum verdict {
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_SKIP,
};

struct finding {
	enum verdict verdict;
	char detail[300];	/* what is wrong, or why it was skipped, or "" */
};

struct times {			/* in nanoseconds, for SELFTEST_PAGES; medians */
	uint64_t start;
	uint64_t read_clean;
	uint64_t read_dirty;
	uint64_t unmap;
};

struct check {
	const char *name;
	const char *says;	/* what holds if it passes */
	void (*run)(struct subject *s, struct finding *f);
};

#define SELFTEST_CHECKS	12
extern const struct check selftest_checks[SELFTEST_CHECKS];

typedef void told_fn(const struct check *check, const struct finding *finding);

struct outcome {
	struct finding findings[SELFTEST_CHECKS];
	bool measured;
	struct times times;
};

/*
 * Runs all checks, calls @told after each, and measures. If the first fails, that the device
 * can be tracked and writes, the others are skipped. Returns whether none has failed.
 */
bool selftest_run(struct subject *s, struct outcome *outcome, told_fn *told);

struct device;

/* Returns an exit code, after a complaint on failure */
int device_open(struct device **device, const char *address);
struct subject *device_subject(struct device *device);
/* "VT-d second stage", or ""; the sizes of entries that it can have, as a mask */
const char *device_format(struct device *device, uint64_t *sizes);
void device_close(struct device *device);

struct report {
	const char *address;	/* of the device */
	const char *format;
	uint64_t sizes;
	struct outcome outcome;
};

/* Without serial numbers, and without names of the host or of users */
json_t *report_to_json(const struct report *report);
const char *verdict_text(enum verdict verdict);

#endif
