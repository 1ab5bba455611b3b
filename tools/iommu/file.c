// SPDX-License-Identifier: GPL-2.0-only
/*
 * Record files: lines of JSON, in gzip's format if the name ends with .gz. The first line
 * is the header, each other line is what was dirty in an IOAS since the previous sample:
 *
 *   {"iommu-dirty-record": 3, "page_size": 4096, "start": "2026-11-28T15:00:00Z", ...}
 *   {"time": 0.5, "ioas": 1, "runs": [["0x100000000", 8192], ...]}
 *
 * If several iommufds were observed, each sample has "fd", the owner's file descriptor
 * for the iommufd of the IOAS. Addresses are strings: JSON's numbers are not exact, and
 * those of many programs end at 2^53 or 2^63.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "iommu-dirty.h"

#define VERSION		3
/* Longer lines are rejected */
#define MAX_LINE	(64 << 20)

static ssize_t cookie_read(void *cookie, char *buf, size_t size)
{
	/* The end of a file that was cut off is no error */
	return gzread(cookie, buf, size);
}

/* stdio is told when all is written, so each line can be read if the program is killed */
static ssize_t cookie_write(void *cookie, const char *buf, size_t size)
{
	return gzwrite(cookie, buf, size) == (int)size && !gzflush(cookie, Z_SYNC_FLUSH) ?
	       (ssize_t)size : 0;
}

static int cookie_close(void *cookie)
{
	return gzclose(cookie) ? EOF : 0;
}

/* Reads plain files, too */
static FILE *open_gzip(FILE *plain, const char *mode)
{
	const cookie_io_functions_t functions = {
		.read = cookie_read,
		.write = cookie_write,
		.close = cookie_close,
	};
	void *gzip = plain ? gzdopen(dup(fileno(plain)), mode) : NULL;

	if (plain)
		fclose(plain);
	return gzip ? fopencookie(gzip, mode, functions) : NULL;
}

FILE *record_open(const char *name, bool write)
{
	const char *mode = write ? "w" : "r";
	bool standard = !strcmp(name, "-");
	FILE *f = standard ? fdopen(dup(write ? STDOUT_FILENO : STDIN_FILENO), mode) :
			     fopen(name, mode);

	return write && (standard || !ends_with(name, ".gz")) ? f : open_gzip(f, mode);
}

static int write_line(FILE *f, json_t *json)
{
	int rc;

	errno = 0;
	rc = json ? json_dumpf(json, f, JSON_COMPACT | JSON_PRESERVE_ORDER |
			       JSON_REAL_PRECISION(10)) : -1;
	json_decref(json);
	if (!rc && fputc('\n', f) != EOF && !fflush(f))
		return 0;
	return errno ? -errno : -EIO;
}

json_t *address_to_json(uint64_t address)
{
	return json_sprintf("0x%llx", (unsigned long long)address);
}

json_t *text_to_json(const char *text)
{
	json_t *json = json_string(text);
	char *ascii, *c;

	if (json)
		return json;
	ascii = strdup(text);
	for (c = ascii; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	json = ascii ? json_string(ascii) : NULL;
	free(ascii);
	return json;
}

json_t *time_to_json(void)
{
	time_t now = time(NULL);
	char text[32];

	strftime(text, sizeof(text), "%FT%TZ", gmtime(&now));
	return json_string(text);
}

int record_write_header(FILE *f, uint64_t page_size, json_t *address_spaces)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	return write_line(f, json_pack("{s:i, s:I, s:o, s:o, s:o}", "iommu-dirty-record", VERSION,
				       "page_size", (json_int_t)page_size, "start",
				       time_to_json(), "host", text_to_json(host), "address_spaces",
				       address_spaces));
}

int record_write_sample(FILE *f, const struct sample *sample)
{
	json_t *runs = json_array();
	size_t i;

	for (i = 0; i < sample->num_runs; i++)
		json_array_append_new(runs, json_pack("[o,I]",
						      address_to_json(sample->runs[i].iova),
						      (json_int_t)sample->runs[i].length));
	return write_line(f, json_pack("{s:f, s:o*, s:I, s:o}", "time", sample->time, "fd",
				       fd_to_json(sample->fd), "ioas",
				       (json_int_t)sample->ioas, "runs", runs));
}

static const char *read_run(json_t *json, struct idirty_range *run)
{
	const char *iova;
	json_int_t length;
	char *end;

	if (json_unpack(json, "[s,I!]", &iova, &length) || strncmp(iova, "0x", 2))
		return "a run is not [address, length]";
	errno = 0;
	run->iova = strtoull(iova, &end, 16);
	run->length = length;
	if (errno || *end)
		return "an address is not a number";
	if (length <= 0 || run->iova + (run->length - 1) < run->iova)
		return "a run ends before it begins";
	return NULL;
}

static const char *read_sample(json_t *json, struct sample *sample)
{
	const char *wrong = NULL;
	json_int_t ioas, fd = -1;
	json_t *runs;
	size_t i;

	if (json_unpack(json, "{s:F, s?I, s:I, s:o}", "time", &sample->time, "fd", &fd, "ioas",
			&ioas, "runs", &runs) || !json_is_array(runs))
		return "not a sample with time, ioas and runs";
	if (!isfinite(sample->time) || sample->time < 0 || ioas < 0 || ioas > UINT32_MAX ||
	    fd < -1 || fd > INT_MAX)
		return "time, fd or ioas out of range";
	sample->fd = fd;
	sample->ioas = ioas;
	sample->num_runs = json_array_size(runs);
	sample->runs = calloc(sample->num_runs + 1, sizeof(*sample->runs));
	if (!sample->runs)
		return "out of memory";
	for (i = 0; i < sample->num_runs && !wrong; i++)
		wrong = read_run(json_array_get(runs, i), &sample->runs[i]);
	return wrong;
}

/* Whether it is as observe_to_json() writes it: pictures show all of it */
static bool is_space(json_t *json)
{
	json_int_t ioas, fd;
	json_t *devices = NULL, *device;
	size_t i;

	if (json_unpack(json, "{s:I, s?I, s?o}", "ioas", &ioas, "fd", &fd, "devices", &devices) ||
	    (devices && !json_is_array(devices)))
		return false;
	json_array_foreach(devices, i, device)
		if (!json_is_string(device))
			return false;
	return true;
}

static bool are_spaces(json_t *json)
{
	json_t *space;
	size_t i;

	json_array_foreach(json, i, space)
		if (!is_space(space))
			return false;
	return !json || json_is_array(json);
}

static const char *read_header(json_t *json, struct record *record)
{
	json_int_t page_size;
	int version;

	if (json_unpack(json, "{s:i, s:I}", "iommu-dirty-record", &version, "page_size",
			&page_size))
		return "not a record of iommu-dirty";
	if (version != VERSION)
		return "a record of a version that is not known here";
	if (page_size < 4096 || (page_size & (page_size - 1)))
		return "the page size is out of range";
	if (!are_spaces(json_object_get(json, "address_spaces")))
		return "not address spaces with ioas and names of devices";
	record->page_size = page_size;
	record->header = json_incref(json);
	return NULL;
}

static const char not_json[] = "not JSON";

static const char *read_line(const char *text, size_t len, struct record *record)
{
	struct sample *more, *sample;
	const char *wrong;
	json_t *json;

	json = json_loadb(text, len, 0, NULL);
	if (!json)
		return not_json;
	if (!record->page_size) {
		wrong = read_header(json, record);
	} else {
		more = realloc(record->samples, (record->num + 1) * sizeof(*more));
		if (!more) {
			json_decref(json);
			return "out of memory";
		}
		record->samples = more;
		sample = &more[record->num++];
		*sample = (struct sample){};
		wrong = read_sample(json, sample);
		if (!wrong && record->num > 1 && sample->time < sample[-1].time)
			wrong = "time goes backwards";
	}
	json_decref(json);
	return wrong;
}

/* getline(), but a small compressed file can have a line that needs all memory */
static size_t get_line(FILE *f, char **text, size_t *room)
{
	size_t len = 0;
	char *more;
	int c = 0;

	while (c != '\n' && len <= MAX_LINE && (c = getc_unlocked(f)) != EOF) {
		if (len == *room) {
			more = realloc(*text, 2 * len + 4096);
			if (!more)
				return MAX_LINE + 1;
			*text = more;
			*room = 2 * len + 4096;
		}
		(*text)[len++] = c;
	}
	return len;
}

const char *record_read(FILE *f, struct record *record, unsigned int *line)
{
	const char *wrong = NULL;
	char *text = NULL;
	size_t room = 0, len;

	*record = (struct record){};
	*line = 0;
	while (!wrong && (len = get_line(f, &text, &room))) {
		++*line;
		wrong = len > MAX_LINE ? "the line is too long" : read_line(text, len, record);
		/* The last line of a program that was killed, or on a disk that is full */
		if (wrong == not_json && text[len - 1] != '\n' && record->page_size) {
			record->cut_off = true;
			wrong = NULL;
		}
	}
	free(text);
	if (!wrong && ferror(f))
		wrong = "what follows cannot be read";
	if (!wrong && !record->page_size)
		wrong = "the file is empty";
	if (wrong)
		record_free(record);
	return wrong;
}

void record_free(struct record *record)
{
	size_t i;

	for (i = 0; i < record->num; i++)
		free(record->samples[i].runs);
	free(record->samples);
	json_decref(record->header);
	*record = (struct record){};
}
