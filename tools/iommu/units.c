// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers on the command line, with units as users type them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iommu-dirty.h"

/* Decimal, or hexadecimal after 0x: a leading 0 does not make a number octal */
static bool read_number(const char *arg, uint64_t *value, char **end)
{
	bool hex = arg[0] == '0' && (arg[1] == 'x' || arg[1] == 'X');

	errno = 0;
	*value = strtoull(arg, end, hex ? 16 : 10);
	return !errno && *end != arg && *arg >= '0' && *arg <= '9';
}

uint64_t parse_number(struct argp_state *state, const char *arg, uint64_t min, uint64_t max)
{
	uint64_t value;
	char *end;

	if (!read_number(arg, &value, &end) || *end || value < min || value > max)
		argp_error(state, "%s is not a number from %llu to %llu", arg,
			   (unsigned long long)min, (unsigned long long)max);
	return value;
}

uint64_t parse_size(struct argp_state *state, const char *arg, uint64_t min, uint64_t max)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *unit;
	uint64_t value;
	bool good;
	char *end;

	good = read_number(arg, &value, &end);
	if (good && *end) {
		unit = strchr(units, *end & ~0x20);
		good = unit && (!end[1] || !strcasecmp(end + 1, "iB"));
		shift = unit ? 10 * (unit - units + 1) : 0;
	}
	if (!good || value > max >> shift || value << shift < min)
		argp_error(state, "%s is not a size from %s to %s, such as 4096, 64K or 2MiB", arg,
			   size_text(min), size_text(max));
	return value << shift;
}

uint64_t parse_page_size(struct argp_state *state, const char *arg)
{
	uint64_t size = parse_size(state, arg, 4096, 1ULL << 40);

	if (size & (size - 1))
		argp_error(state, "the page size is not a power of two");
	return size;
}

double parse_time(struct argp_state *state, const char *arg, double min, double max)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {
		{ "us", 0.000001 }, { "ms", 0.001 }, { "s", 1 }, { "min", 60 }, { "h", 3600 },
	};
	double value, factor = 0;
	char *end;
	size_t i;

	value = strtod(arg, &end);
	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].name))
			factor = units[i].seconds;
	/* Without a unit, one command's seconds are another one's milliseconds */
	if (!factor && end != arg && !*end)
		argp_error(state, "%s has no unit: write %sms or %ss", arg, arg, arg);
	if (!factor || end == arg || !(value * factor >= min && value * factor <= max))
		argp_error(state, "%s is not a time from %gs to %gs, such as 100ms or 10s", arg,
			   min, max);
	return value * factor;
}

const char *size_text(uint64_t size)
{
	static char text[4][24];
	static unsigned int next;
	char *s = text[next++ % 4];
	unsigned int i = 0;

	while (i < 4 && size >= 1024 && !(size % 1024)) {
		size /= 1024;
		i++;
	}
	snprintf(s, sizeof(text[0]), i ? "%llu%c" : "%llu", (unsigned long long)size,
		 " KMGT"[i]);
	return s;
}
