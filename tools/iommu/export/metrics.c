// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the observers have found so far, as OpenMetrics or in Prometheus's own text format.
 * These differ in the name of a family of counters, in the line UNIT and in the end.
 */
#include <math.h>

#include "export.h"

#define PREFIX "iommu_dirty_"

enum type {
	COUNTER,
	GAUGE,
	INFO,
};

struct family;
typedef void samples_fn(FILE *f, const struct family *family, const struct exporter *x);

struct family {
	const char *name;	/* after PREFIX, without _total or _info */
	enum type type;
	const char *unit;	/* the name ends with it; NULL: none */
	const char *help;
	samples_fn *samples;
	double (*of_space)(const struct watched *w);	/* for each_space() */
	double (*of_process)(const struct exported *p);	/* for each_process() */
};

static const char *const suffixes[] = {
	[COUNTER] = "_total",
	[GAUGE] = "",
	[INFO] = "_info",
};

/* One more label; names of programs and errors may contain anything */
static void put_label(FILE *f, const char *name, const char *value)
{
	fprintf(f, ",%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', f);
		/* Anything but UTF-8 would make the whole text invalid */
		fputc((unsigned char)*value < 0x80 ? *value : '?', f);
	}
	fputc('"', f);
}

static void put_value(FILE *f, double value)
{
	fprintf(f, "} %.*g\n", value == floor(value) ? 17 : 9, value);
}

static void begin_process(FILE *f, const struct family *family, const struct exported *p)
{
	fprintf(f, PREFIX "%s%s{pid=\"%d\"", family->name, suffixes[family->type], p->pid);
}

static void begin_space(FILE *f, const struct family *family, const struct exported *p,
			const struct watched *w)
{
	begin_process(f, family, p);
	fprintf(f, ",iommufd=\"%d\",ioas=\"%u\"", w->file->number, w->ioas);
}

static void each_process(FILE *f, const struct family *family, const struct exporter *x)
{
	size_t i;

	for (i = 0; i < x->num; i++) {
		begin_process(f, family, &x->processes[i]);
		put_value(f, family->of_process(&x->processes[i]));
	}
}

static void each_command(FILE *f, const struct family *family, const struct exporter *x)
{
	size_t i;

	for (i = 0; i < x->num; i++) {
		begin_process(f, family, &x->processes[i]);
		put_label(f, "command", x->processes[i].command);
		put_value(f, 1);
	}
}

typedef void space_fn(FILE *f, const struct family *family, const struct exported *p,
		      const struct watched *w);

static void for_spaces(FILE *f, const struct family *family, const struct exporter *x,
		       space_fn *fn)
{
	size_t i, j;

	for (i = 0; i < x->num; i++) {
		const struct exported *p = &x->processes[i];

		for (j = 0; p->observed && j < p->observer.num; j++)
			fn(f, family, p, &p->observer.watched[j]);
	}
}

static void put_space(FILE *f, const struct family *family, const struct exported *p,
		      const struct watched *w)
{
	begin_space(f, family, p, w);
	put_value(f, family->of_space(w));
}

static void each_space(FILE *f, const struct family *family, const struct exporter *x)
{
	for_spaces(f, family, x, put_space);
}

static void put_devices(FILE *f, const struct family *family, const struct exported *p,
			const struct watched *w)
{
	json_t *device;
	size_t i;

	json_array_foreach(w->devices, i, device) {
		begin_space(f, family, p, w);
		put_label(f, "device", json_string_value(device));
		put_value(f, 1);
	}
}

static void each_device(FILE *f, const struct family *family, const struct exporter *x)
{
	for_spaces(f, family, x, put_devices);
}

static void put_reason(FILE *f, const struct family *family, const struct exported *p,
		       const struct watched *w)
{
	if (!*w->reason)
		return;
	begin_space(f, family, p, w);
	put_label(f, "reason", w->reason);
	put_value(f, 1);
}

static void each_reason(FILE *f, const struct family *family, const struct exporter *x)
{
	for_spaces(f, family, x, put_reason);
}

static void hidden(FILE *f, const struct family *family, const struct exporter *x)
{
	fprintf(f, PREFIX "%s %zu\n", family->name, x->hidden);
}

static void build(FILE *f, const struct family *family, const struct exporter *x)
{
	(void)x;
	fprintf(f, PREFIX "%s_info{version=\"%s\"} 1\n", family->name, IDIRTY_VERSION);
}

static double total(const struct watched *w)
{
	return w->total;
}

static double scans(const struct watched *w)
{
	return w->scans;
}

static double errors(const struct watched *w)
{
	return w->errors;
}

static double scanning(const struct watched *w)
{
	return w->scanning;
}

static double is_tracked(const struct watched *w)
{
	return !*w->reason;
}

static double devices(const struct watched *w)
{
	return json_array_size(w->devices);
}

static double is_observed(const struct exported *p)
{
	return p->observed;
}

static double has_container(const struct exported *p)
{
	return p->observed && p->observer.has_container;
}

static const struct family families[] = {
	{ "bytes", COUNTER, "bytes",
	  "What devices and software wrote to, in whole pages, each once between two scans.",
	  each_space, .of_space = total },
	{ "tracked", GAUGE, NULL, "Whether all writes to the address space are tracked.",
	  each_space, .of_space = is_tracked },
	{ "untracked", INFO, NULL, "Why the address space is not tracked.", each_reason },
	{ "devices", GAUGE, NULL, "Devices that are attached to the address space.",
	  each_space, .of_space = devices },
	{ "device", INFO, NULL, "A device that is attached to the address space.", each_device },
	{ "scans", COUNTER, NULL, "How often the address space was scanned.",
	  each_space, .of_space = scans },
	{ "scan_errors", COUNTER, NULL, "Scans that failed, or did not cover everything.",
	  each_space, .of_space = errors },
	{ "scan_seconds", COUNTER, "seconds", "Time that the scans took.",
	  each_space, .of_space = scanning },
	{ "process", INFO, NULL, "A process that has an iommufd.", each_command },
	{ "process_observed", GAUGE, NULL, "Whether the process is observed.",
	  each_process, .of_process = is_observed },
	{ "process_unobservable_container", GAUGE, NULL,
	  "Whether the process has a VFIO container that is no iommufd, and not observed.",
	  each_process, .of_process = has_container },
	{ "hidden_processes", GAUGE, NULL,
	  "Processes that may have an iommufd, but whose files may not be listed.", hidden },
	{ "build", INFO, NULL, "The version of iommu-dirty.", build },
};

static void put_head(FILE *f, const struct family *family, enum metrics_format format)
{
	static const char *const types[] = {
		[COUNTER] = "counter",
		[GAUGE] = "gauge",
		[INFO] = "info",
	};
	bool open = format == OPENMETRICS;
	const char *suffix = open ? "" : suffixes[family->type];
	enum type type = !open && family->type == INFO ? GAUGE : family->type;

	fprintf(f, "# HELP " PREFIX "%s%s %s\n", family->name, suffix, family->help);
	fprintf(f, "# TYPE " PREFIX "%s%s %s\n", family->name, suffix, types[type]);
	if (open && family->unit)
		fprintf(f, "# UNIT " PREFIX "%s %s\n", family->name, family->unit);
}

bool metrics_write(FILE *f, const struct exporter *x, enum metrics_format format)
{
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(*families); i++) {
		put_head(f, &families[i], format);
		families[i].samples(f, &families[i], x);
	}
	if (format == OPENMETRICS)
		fputs("# EOF\n", f);
	return !fflush(f) && !ferror(f);
}
