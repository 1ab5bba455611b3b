// SPDX-License-Identifier: GPL-2.0-only
/*
 * list: what a program has in its iommufds: IO address spaces, page tables, devices and
 * trackers. It makes no tracker of its own.
 */
#include <errno.h>

#include "iommu-dirty.h"

/* Without a parser, argp hands its input to the child */
static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };

static const char *type_text(uint32_t type)
{
	static const char *const names[] = {
		[IDIRTY_OBJECT_IOAS] = "IOAS",
		[IDIRTY_OBJECT_HWPT] = "HWPT",
		[IDIRTY_OBJECT_HWPT_NESTED] = "nested HWPT",
		[IDIRTY_OBJECT_DEVICE] = "device",
		[IDIRTY_OBJECT_TRACKER] = "tracker",
	};

	return type < sizeof(names) / sizeof(*names) && names[type] ? names[type] : "unknown";
}

static const char *state_text(const struct idirty_object *object)
{
	if (object->type != IDIRTY_OBJECT_TRACKER)
		return object->name;
	return object->state == IDIRTY_STATE_RUNNING ? "running" :
	       object->state == IDIRTY_STATE_STARTING ? "starting" : "stopped";
}

static json_t *to_json(const struct iommufd *file, const struct idirty_object *object)
{
	bool tracker = object->type == IDIRTY_OBJECT_TRACKER;

	return json_pack("{s:i, s:I, s:s, s:I, s:s*, s:s*}", "fd", file->number,
			 "id", (json_int_t)object->id, "type", type_text(object->type),
			 "parent", (json_int_t)object->parent_id,
			 "name", *object->name ? object->name : NULL,
			 "state", tracker ? state_text(object) : NULL);
}

static void print(const struct iommufd *file, const struct idirty_object *object)
{
	printf("%4d %6u %-12s %6u %s\n", file->number, object->id, type_text(object->type),
	       object->parent_id, state_text(object));
}

static int list_file(struct iommufd *file, json_t *all)
{
	char text[200];
	size_t i;

	if (idirty_open(file->fd, &file->ctx) ||
	    idirty_list(file->ctx, &file->objects, &file->num_objects))
		return complain(idirty_last_error()->code == ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED,
				"%s", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	for (i = 0; i < file->num_objects; i++)
		if (all)
			json_array_append_new(all, to_json(file, &file->objects[i]));
		else
			print(file, &file->objects[i]);
	return EXIT_OK;
}

int cmd_list(int argc, char **argv)
{
	static const struct argp argp = {
		.children = children,
		.doc = "List what a program has in its iommufds.",
	};
	struct observe_options opt = OBSERVE_DEFAULTS;
	struct observer o = { .pidfd = -1 };
	json_t *all;
	size_t i;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &opt);
	rc = borrow_files(&o, &opt);
	all = opt.json ? json_array() : NULL;
	if (!rc && !all)
		printf("%4s %6s %-12s %6s %s\n", "fd", "id", "type", "parent", "name or state");
	for (i = 0; !rc && i < o.num_files; i++)
		rc = list_file(&o.files[i], all);
	if (!rc && all)
		print_json(json_pack("{s:O}", "objects", all));
	json_decref(all);
	if (!rc)
		rc = observe_result(&o);
	observe_close(&o);
	return rc;
}
