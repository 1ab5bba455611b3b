// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean: removes trackers from a program. Older versions of this command left theirs
 * there if they were killed. A tracker of the program itself looks the same, so only
 * those are removed that are named.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/iommufd.h>

#include "iommu-dirty.h"

/* An argument, and what it names */
struct wanted {
	int number;		/* of the iommufd, or -1 if not given */
	uint32_t id;
	const struct iommufd *file;
};

struct clean_options {
	struct observe_options observe;
	size_t num;
	struct wanted *wanted;
};

static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };

static void add_wanted(struct clean_options *opt, struct argp_state *state, char *arg)
{
	struct wanted *more = realloc(opt->wanted, (opt->num + 1) * sizeof(*more));
	struct wanted wanted = { .number = -1 };
	char *id = strchr(arg, ':');

	if (!more)
		argp_failure(state, EXIT_FAILED, 0, "out of memory");
	opt->wanted = more;
	if (id) {
		*id++ = 0;
		wanted.number = parse_number(state, arg, 0, 1 << 20);
	}
	wanted.id = parse_number(state, id ? id : arg, 1, UINT32_MAX);
	more[opt->num++] = wanted;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct clean_options *opt = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &opt->observe;
		break;
	case ARGP_KEY_ARG:
		add_wanted(opt, state, arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* With several iommufds, the owner's file descriptor distinguishes equal ids */
static const char *name_of(const struct observer *o, const struct iommufd *file, uint32_t id)
{
	static char name[24];

	if (o->num_files > 1)
		snprintf(name, sizeof(name), "%d:%u", file->number, id);
	else
		snprintf(name, sizeof(name), "%u", id);
	return name;
}

static const struct idirty_object *find_object(const struct iommufd *file, uint32_t id)
{
	size_t i;

	for (i = 0; i < file->num_objects; i++)
		if (file->objects[i]->id == id)
			return file->objects[i];
	return NULL;
}

/* Finds the iommufd of an argument, and checks that it names a tracker */
static int check(const struct observer *o, struct wanted *w)
{
	const struct idirty_object *object = NULL, *found;
	size_t i;

	for (i = 0; i < o->num_files; i++) {
		if (w->number >= 0 && o->files[i].number != w->number)
			continue;
		found = find_object(&o->files[i], w->id);
		if (found && object)
			return complain(EXIT_USAGE, "%u is in several iommufds: name it FD:%u",
					w->id, w->id);
		if (!found)
			continue;
		object = found;
		w->file = &o->files[i];
	}
	if (!object)
		return complain(EXIT_NOTHING, "no object %u", w->id);
	if (object->type != IDIRTY_OBJECT_TRACKER)
		return complain(EXIT_FAILED, "%s is no tracker, its type is %s",
				name_of(o, w->file, w->id), object_type_text(object->type));
	if (object->flags & IDIRTY_OBJECT_TYPE1)
		return complain(EXIT_FAILED, "tracker %s serves VFIO type1, and stays",
				name_of(o, w->file, w->id));
	return EXIT_OK;
}

static int remove_all(const struct observer *o, struct clean_options *opt)
{
	size_t i;
	int rc;

	for (i = 0; i < opt->num; i++) {
		rc = check(o, &opt->wanted[i]);
		if (rc)
			return rc;
	}
	for (i = 0; i < opt->num; i++) {
		const struct wanted *w = &opt->wanted[i];
		struct iommu_destroy cmd = { .size = sizeof(cmd), .id = w->id };

		if (ioctl(w->file->fd, IOMMU_DESTROY, &cmd))
			return complain(EXIT_FAILED, "tracker %s: %s", name_of(o, w->file, w->id),
					strerror(errno));
		if (!opt->observe.json)
			printf("removed tracker %s\n", name_of(o, w->file, w->id));
	}
	if (opt->observe.json)
		print_json(json_pack("{s:i, s:i}", "iommu-dirty-clean", 1, "removed",
				     (int)opt->num), true);
	return EXIT_OK;
}

static bool is_candidate(const struct idirty_object *object)
{
	return object->type == IDIRTY_OBJECT_TRACKER &&
	       object->state == IDIRTY_STATE_RUNNING &&
	       !(object->flags & (IDIRTY_OBJECT_PASSIVE | IDIRTY_OBJECT_TYPE1));
}

static void tell(const struct observer *o, const struct iommufd *file,
		 const struct idirty_object *object, json_t *all)
{
	const struct idirty_object *target = find_object(file, object->parent_id);
	const char *type = target ? object_type_text(target->type) : "unknown";

	if (all)
		json_array_append_new(all, json_pack("{s:i, s:I, s:s, s:I}", "fd", file->number,
						     "id", (json_int_t)object->id, "of", type,
						     "parent", (json_int_t)object->parent_id));
	else
		printf("tracker %s of %s %u\n", name_of(o, file, object->id), type,
		       object->parent_id);
}

static const char *target_text(const struct observe_options *opt)
{
	static char text[80];

	if (opt->pid)
		snprintf(text, sizeof(text), "--pid %d", opt->pid);
	else if (opt->device)
		snprintf(text, sizeof(text), "--device %s", opt->device);
	else
		snprintf(text, sizeof(text), "--fd %d", opt->fd);
	return text;
}

static void tell_candidates(const struct observer *o, const struct clean_options *opt)
{
	json_t *all = opt->observe.json ? json_array() : NULL;
	size_t i, j, num = 0;

	for (i = 0; i < o->num_files; i++)
		for (j = 0; j < o->files[i].num_objects; j++)
			if (is_candidate(o->files[i].objects[j])) {
				tell(o, &o->files[i], o->files[i].objects[j], all);
				num++;
			}
	if (all)
		print_json(json_pack("{s:i, s:o}", "iommu-dirty-clean", 1, "candidates",
				     all), true);
	else if (num)
		printf("They run. The program may have made them itself, and then needs them.\n"
		       "To remove those that were left behind: iommu-dirty clean %s %s...\n",
		       target_text(&opt->observe), o->num_files > 1 ? "FD:ID" : "ID");
	else
		printf("no tracker was left behind\n");
}

int cmd_clean(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.children = children,
		.args_doc = "[[FD:]ID...]",
		.doc = "Remove trackers from a program, or show which may have been left behind.",
	};
	struct clean_options opt = { .observe = OBSERVE_DEFAULTS };
	struct observer o = { .pidfd = -1 };
	int rc;

	parse_options(&argp, argc, argv, &opt);
	rc = borrow_files(&o, &opt.observe);
	if (!rc && opt.num)
		rc = remove_all(&o, &opt);
	else if (!rc)
		tell_candidates(&o, &opt);
	forget_files(&o);
	free(opt.wanted);
	return rc;
}
