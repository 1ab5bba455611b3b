// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fuzz target for the input of advise --replay, called by fuzz.c. A recommendation
 * from accepted input must refer to trackers and page sizes in that input.
 */
#include <stdlib.h>

#include "advise.h"
#include "fuzz.h"

static void recommend(const struct advise_result *result)
{
	const struct advise_limits limits = {
		.bandwidth = 1 + fuzz_below(1 << 30),
		.slowdown = 0.1,
	};
	const struct advise_tracker *t;
	struct advice advice;
	int first, last;
	size_t pos;

	for (pos = 0; (t = advise_next_ioas(result, &pos));) {
		advise_recommend(result, t, &limits, &advice);
		if (advice.row && (!advise_same_ioas(advice.tracker, t) ||
				   !advice.tracker->covers_all))
			abort();
		if (advice.row && (advice.row < advice.tracker->rows ||
				   advice.row >= advice.tracker->rows + advice.tracker->num_rows))
			abort();
	}
	advise_decades(result, &limits, &first, &last);
	if (first < 0 || last <= first)
		abort();
	json_decref(advise_to_json(result, &limits));
}

bool fuzz_one(char *text, size_t len)
{
	struct advise_result result;
	FILE *f = fmemopen(text, len, "r");
	const char *wrong;

	if (!f)
		exit(1);
	wrong = advise_from_json(f, &result);
	fclose(f);
	if (wrong)
		return false;
	recommend(&result);
	advise_free(&result);
	return true;
}
