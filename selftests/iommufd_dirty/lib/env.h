/* SPDX-License-Identifier: GPL-2.0-only */
/* The usual environment of a test. */
#ifndef _IOMMUFD_DIRTY_LIB_ENV_H
#define _IOMMUFD_DIRTY_LIB_ENV_H

#include "devices.h"

/* env.c: an iommufd file, an IOAS with 4 KiB IO-PTEs, attached edu devices */
#define ENV_STAGE_IOVA 0x10000000ULL
#define ENV_MAX_EDU 2

struct env {
	int fd;
	__u32 ioas;
	__u32 tracker;
	__u32 twin;
	unsigned int num_edu;
	struct edu edu[ENV_MAX_EDU];
	__u64 *stage;
	__u64 value;
};

/* Returns NULL or the reason to skip; attaches only device 0 */
const char *env_open(struct env *env, unsigned int num_edu);
/* The same with devices of the software IOMMU */
const char *env_open_soft(struct env *env, unsigned int num_edu);
/* Returns NULL, or the reason to skip if there are fewer PCI edu devices */
const char *env_need_pci(unsigned int num_edu);
void env_close(struct env *env);
/* Maps the staging page into another IOAS */
void env_map_stage(struct env *env, __u32 ioas);
/* Maps huge pages of 2 MiB one by one, because AMD v1 also has entries for several */
void env_map_huge(struct env *env, __u32 ioas, char *mem, unsigned int pages, __u64 iova);
/*
 * Attaches device 0 to a new IOAS, because that of the environment has only 4 KiB entries,
 * and maps @pages zeroed huge pages there. Returns these, or NULL if there are none
 */
void *env_alloc_huge(struct env *env, unsigned int pages, __u64 iova, __u32 *ioas);
/* Loads a new value into the buffer of device @index; returns the value */
__u64 env_load(struct env *env, unsigned int index);
/* Writes 8 bytes of the device's buffer to @iova */
void env_store(struct env *env, unsigned int index, __u64 iova);
/*
 * Adds a second tracker, which env_start() starts, too. env_read() then also does a
 * SCAN of it, and fails if the two results differ.
 */
void env_twin(struct env *env);
void env_start(struct env *env);
__u64 env_read(struct env *env, __u64 iova, __u64 length, __u64 page_size,
	       __u32 flags, void *data);

#endif
