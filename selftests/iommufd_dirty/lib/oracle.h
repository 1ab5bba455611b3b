/* SPDX-License-Identifier: GPL-2.0-only */
/* What must be reported: the memory itself, and models. */
#ifndef _IOMMUFD_DIRTY_LIB_ORACLE_H
#define _IOMMUFD_DIRTY_LIB_ORACLE_H

#include <pthread.h>
#include <stdbool.h>

#include "env.h"
#include "tracker.h"

/*
 * oracle.c: the memory itself shows what must be reported. @shadow is the copy of
 * @mem that a reader has who copies only the reported pages.
 */
struct oracle {
	struct env *env;
	void *mem;
	__u64 iova;
	size_t pages;
	__u64 *shadow;
	void *bitmap;
	__u64 writes;
	__u64 lost;
	__u64 extra;
};

void oracle_open(struct oracle *o, struct env *env, size_t pages, __u64 iova);
void oracle_map(struct oracle *o, __u32 ioas);
void oracle_close(struct oracle *o);
__u64 oracle_page_iova(const struct oracle *o, size_t page);
void oracle_write(struct oracle *o, unsigned int index, size_t page);
/* Copies the pages in @o->bitmap; counts lost and extra pages */
void oracle_check(struct oracle *o);
/* For use while the device may be writing: copies, does not count */
void oracle_copy(struct oracle *o);
/* READs all pages into a zeroed @o->bitmap; returns the number of bits set */
__u64 oracle_read(struct oracle *o, __u32 flags);
/* Number of pages whose shadow differs from the memory */
size_t oracle_differing(const struct oracle *o);
/* Device @index writes a few pages: does READ report exactly what it wrote? */
bool oracle_tracked(struct oracle *o, unsigned int index);

/* writer.c: a thread that makes device 0 write 20 pages, @rounds times */
struct writer {
	struct oracle *o;
	pthread_t thread;
	unsigned int rounds;
	bool done;
};

void writer_start(struct writer *w, struct oracle *o, unsigned int rounds);
bool writer_done(struct writer *w);
/* Joins the thread, READs and copies; returns the number of differing pages */
size_t writer_settle(struct writer *w);

/*
 * model.c: a set of dirty 4 KiB pages, and a naive READ of it. The pages are a
 * list of IOVAs, so they can be far apart.
 */
struct model {
	size_t num;
	__u64 *iova;
	bool *dirty;
};

void model_open(struct model *m, size_t num);
void model_close(struct model *m);
void model_set_all(struct model *m);
size_t model_num_dirty(const struct model *m);
/* The expected result of __tracker_read(); returns the number of newly set bits */
__u64 model_read(struct model *m, const struct read_args *args, void *data);
/* What MARK does: each page of the model that a run, or a set bit, touches gets dirty */
void model_mark_run(struct model *m, const struct iommu_dirty_run *run);
void model_mark_bitmap(struct model *m, const struct read_args *args, const void *data);

#endif
