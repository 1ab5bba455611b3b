// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The iommufd file, the list of its objects, and the version of the library.
 */
#include "internal.h"

#define LIST_ROOM	64

const char *idirty_version(void)
{
	return IDIRTY_VERSION;
}

int idirty_open(int iommufd, struct idirty **ctx)
{
	if (iommufd < 0)
		return failed(IDIRTY_VERB_NONE, -EBADF);
	*ctx = malloc(sizeof(**ctx));
	if (!*ctx)
		return failed(IDIRTY_VERB_NONE, -ENOMEM);
	(*ctx)->fd = iommufd;
	return 0;
}

void idirty_close(struct idirty *ctx)
{
	free(ctx);
}

int idirty_fd(const struct idirty *ctx)
{
	return ctx->fd;
}

void idirty_free(void *mem)
{
	free(mem);
}

static void object_from(struct idirty_object *to, const struct iommu_dirty_object *from)
{
	*to = (struct idirty_object){
		.type = from->type,
		.id = from->id,
		.parent_id = from->parent_id,
		.flags = from->flags,
		.state = from->state,
		.num_trackers = from->num_trackers,
	};
	memcpy(to->name, from->name, sizeof(to->name));
	to->name[sizeof(to->name) - 1] = 0;
}

int idirty_list(struct idirty *ctx, struct idirty_object **objects, size_t *num)
{
	struct iommu_dirty_object part[LIST_ROOM];
	struct idirty_object *all = NULL, *more;
	__u32 first = 0;
	size_t n = 0;
	int rc;

	do {
		struct iommu_dirty_list cmd = {
			.size = sizeof(cmd),
			.first_id = first,
			.num_objects = LIST_ROOM,
			.objects = (uintptr_t)part,
			.object_len = sizeof(part[0]),
		};
		__u32 i;

		rc = call(IDIRTY_VERB_LIST, ctx->fd, IOMMU_DIRTY_LIST, &cmd);
		if (rc)
			goto err;
		more = realloc(all, (n + cmd.num_objects + 1) * sizeof(*all));
		if (!more) {
			rc = failed(IDIRTY_VERB_LIST, -ENOMEM);
			goto err;
		}
		all = more;
		for (i = 0; i < cmd.num_objects; i++)
			object_from(&all[n++], &part[i]);
		first = cmd.out_next_id;
	} while (first);

	*objects = all;
	*num = n;
	return 0;
err:
	free(all);
	return rc;
}
