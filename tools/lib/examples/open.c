// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Lists the objects of an inherited iommufd: example-open FD
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>

#include <iommudirty.h>

static noreturn void fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

static const char *kind(const struct idirty_object *object)
{
	switch (object->type) {
	case IDIRTY_OBJECT_IOAS:
		return "IOAS";
	case IDIRTY_OBJECT_HWPT:
	case IDIRTY_OBJECT_HWPT_NESTED:
		return "HWPT";
	case IDIRTY_OBJECT_DEVICE:
		return "device";
	case IDIRTY_OBJECT_TRACKER:
		return "tracker";
	default:
		return "object";
	}
}

int main(int argc, char **argv)
{
	struct idirty_object **objects;
	struct idirty *ctx;
	size_t num, i;

	if (argc < 2)
		return 2;
	if (idirty_open(atoi(argv[1]), &ctx) || idirty_list(ctx, &objects, &num))
		fail();
	for (i = 0; i < num; i++)
		printf("%s %u of %u %s\n", kind(objects[i]), objects[i]->id,
		       objects[i]->parent_id, objects[i]->name);
	idirty_free(objects);
	idirty_close(ctx);
	return 0;
}
