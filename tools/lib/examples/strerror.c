// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Prints what failed, and in which verb. Errors are also logged, by a function of the program.
 */
#include <stdio.h>

#include <iommudirty.h>

static void log_line(void *arg, enum idirty_log_level level, const char *text)
{
	(void)arg;
	printf("%s: %s\n", level == IDIRTY_LOG_ERROR ? "error" : "note", text);
}

int main(void)
{
	const struct idirty_error no_id = { .size = sizeof(no_id),
					    .code = 2, .verb = IDIRTY_VERB_ALLOC };
	const struct idirty_error *last;
	struct idirty *ctx;
	char text[200];

	idirty_set_log(log_line, NULL);
	if (!idirty_open(-1, &ctx))
		return 1;
	/* The last error of this thread, valid until its next failing call */
	last = idirty_last_error();
	printf("%s\n", idirty_strerror(last, text, sizeof(text)));
	/* An error can also be a copy, or come from elsewhere */
	printf("%s\n", idirty_strerror(&no_id, text, sizeof(text)));
	printf("%s\n", idirty_weakness_text(IDIRTY_WEAK_UNMAP));
	return 0;
}
