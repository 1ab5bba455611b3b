// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The log: each error that a function returns, and what the library deals with by itself.
 */
#include <stdio.h>

#include "internal.h"

static void (*log_fn)(void *arg, enum idirty_log_level level, const char *text);
static void *log_arg;

void idirty_set_log(idirty_log_fn *fn, void *arg)
{
	log_fn = fn;
	log_arg = arg;
}

int report(int rc)
{
	char text[256];

	if (rc && log_fn)
		log_fn(log_arg, IDIRTY_LOG_ERROR,
		       idirty_strerror(last_error(), text, sizeof(text)));
	return rc;
}

void note(const char *what, const char *why)
{
	char text[256];

	if (!log_fn)
		return;
	snprintf(text, sizeof(text), "%s: %s", what, why);
	log_fn(log_arg, IDIRTY_LOG_NOTE, text);
}

void note_error(const char *what)
{
	char text[200];

	note(what, idirty_strerror(last_error(), text, sizeof(text)));
}
