// SPDX-License-Identifier: GPL-2.0-only
/*
 * list: what a program has in its iommufds: IO address spaces, page tables, devices and
 * trackers, and whatever reads dirty pages there. It makes no tracker of its own.
 */
#include <string.h>

#include "iommu-dirty.h"

/* Without a parser, parse_options() hands its input to the child */
static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };

static const char *state_text(uint32_t state)
{
	return state == IDIRTY_STATE_RUNNING ? "running" :
	       state == IDIRTY_STATE_STARTING ? "starting" : "stopped";
}

/* Trackers of the object that are not in the list, because they have files of their own */
static uint32_t trackers_with_file(const struct iommufd *file, const struct idirty_object *of)
{
	uint32_t left = of->num_trackers;
	size_t i;

	for (i = 0; left && i < file->num_objects; i++)
		left -= file->objects[i]->type == IDIRTY_OBJECT_TRACKER &&
			file->objects[i]->parent_id == of->id &&
			file->objects[i]->state != IDIRTY_STATE_STOPPED;
	return left;
}

static json_t *to_json(const struct iommufd *file, const struct idirty_object *object)
{
	bool device = object->type == IDIRTY_OBJECT_DEVICE;
	bool runs = object->state == IDIRTY_STATE_RUNNING;
	json_t *json;

	json = json_pack("{s:i, s:I, s:s, s:I, s:s*}", "fd", file->number,
			 "id", (json_int_t)object->id, "type", object_type_text(object->type),
			 "parent", (json_int_t)object->parent_id,
			 "name", *object->name ? object->name : NULL);
	if (object->type == IDIRTY_OBJECT_TRACKER) {
		json_object_set_new(json, "state", json_string(state_text(object->state)));
		json_object_set_new(json, "passive",
				    json_boolean(object->flags & IDIRTY_OBJECT_PASSIVE));
		json_object_set_new(json, "type1",
				    json_boolean(object->flags & IDIRTY_OBJECT_TYPE1));
	}
	if (object->type == IDIRTY_OBJECT_HWPT)
		json_object_set_new(json, "dirty_tracking", json_boolean(runs));
	if (object->flags & IDIRTY_OBJECT_PASID)
		json_object_set_new(json, "pasids", json_true());
	if (device)
		json_object_set_new(json, "dma_logging", json_boolean(runs));
	if (device || object->type == IDIRTY_OBJECT_IOAS) {
		json_object_set_new(json, "trackers", json_integer(object->num_trackers));
		json_object_set_new(json, "trackers_with_file",
				    json_integer(trackers_with_file(file, object)));
	}
	return json;
}

/* Appends to a list of remarks */
static void remark(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", len ? ", " : "", more);
}

static void print(const struct iommufd *file, const struct idirty_object *object)
{
	uint32_t others = trackers_with_file(file, object);
	char text[160] = "", count[48];

	remark(text, sizeof(text), object->name);
	if (object->type == IDIRTY_OBJECT_TRACKER)
		remark(text, sizeof(text), state_text(object->state));
	else if (object->state == IDIRTY_STATE_RUNNING)
		remark(text, sizeof(text), object->type == IDIRTY_OBJECT_DEVICE ?
		       "DMA logging is on" : "dirty tracking is on");
	if (object->flags & IDIRTY_OBJECT_PASSIVE)
		remark(text, sizeof(text), "passive");
	if (object->flags & IDIRTY_OBJECT_TYPE1)
		remark(text, sizeof(text), "of VFIO type1");
	if (object->flags & IDIRTY_OBJECT_PASID)
		remark(text, sizeof(text), "for PASIDs");
	if (others) {
		snprintf(count, sizeof(count), "trackers with files: %u", others);
		remark(text, sizeof(text), count);
	}
	printf("%4d %6u %-12s %6u%s%s\n", file->number, object->id,
	       object_type_text(object->type), object->parent_id, *text ? " " : "", text);
}

static void list_file(const struct iommufd *file, json_t *all)
{
	size_t i;

	for (i = 0; i < file->num_objects; i++)
		if (all)
			json_array_append_new(all, to_json(file, file->objects[i]));
		else
			print(file, file->objects[i]);
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

	parse_options(&argp, argc, argv, &opt);
	rc = borrow_files(&o, &opt);
	all = opt.json ? json_array() : NULL;
	if (!rc && !all)
		printf("%4s %6s %-12s %6s %s\n", "fd", "id", "type", "parent", "name or state");
	for (i = 0; !rc && i < o.num_files; i++)
		list_file(&o.files[i], all);
	if (!rc && all)
		print_json(json_pack("{s:i, s:O}", "iommu-dirty-list", 1, "objects", all), true);
	json_decref(all);
	if (!rc)
		rc = observe_result(&o);
	forget_files(&o);
	return rc;
}
