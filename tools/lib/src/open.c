// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The iommufd file, the list of its objects, the option of an IOAS, and the version of the
 * library.
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
		return report(blame("iommufd", "is negative",
				    failed(IDIRTY_VERB_OPEN, -EBADF)));
	*ctx = malloc(sizeof(**ctx));
	if (!*ctx)
		return report(failed(IDIRTY_VERB_OPEN, -ENOMEM));
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

/*
 * Allocates the array and the objects at once, for idirty_free(). The caller has pointers
 * to the objects, so that later versions can have more fields
 */
static struct idirty_object **objects_from(const struct iommu_dirty_object *from, size_t num)
{
	struct idirty_object **pointers, *to;
	size_t i;

	pointers = calloc(num + 1, sizeof(*pointers) + sizeof(*to));
	if (!pointers)
		return NULL;
	to = (void *)(pointers + num + 1);
	for (i = 0; i < num; i++, to++, from++) {
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
		pointers[i] = to;
	}
	return pointers;
}

int idirty_list(struct idirty *ctx, struct idirty_object ***objects, size_t *num)
{
	struct iommu_dirty_object *all = NULL, *more;
	size_t n = 0;
	__u32 first = 0;
	int rc;

	do {
		struct iommu_dirty_list cmd = {
			.size = sizeof(cmd),
			.first_id = first,
			.num_objects = LIST_ROOM,
			.object_len = sizeof(*all),
		};

		more = realloc(all, (n + LIST_ROOM) * sizeof(*all));
		if (!more) {
			rc = failed(IDIRTY_VERB_LIST, -ENOMEM);
			break;
		}
		all = more;
		cmd.objects = (uintptr_t)(all + n);
		rc = call(IDIRTY_VERB_LIST, ctx->fd, IOMMU_DIRTY_LIST, &cmd);
		if (rc)
			break;
		n += cmd.num_objects;
		first = cmd.out_next_id;
	} while (first);

	if (!rc) {
		*num = n;
		*objects = objects_from(all, n);
		if (!*objects)
			rc = failed(IDIRTY_VERB_LIST, -ENOMEM);
	}
	free(all);
	return report(rc);
}

int idirty_set_trackable(struct idirty *ctx, uint32_t ioas_id, int trackable)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_DIRTY_TRACKABLE,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas_id,
		.val64 = !!trackable,
	};
	int rc = call(IDIRTY_VERB_OPTION, ctx->fd, IOMMU_OPTION, &cmd);

	return report(rc == -ENOENT ? blame("ioas_id", "is not that of an IOAS", rc) : rc);
}
