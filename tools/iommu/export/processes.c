// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processes that export observes. Each has an observer of its own, so that one which
 * ends, or cannot be observed, does not affect the others.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

#include "export.h"

/* Clients cannot make devices slow by asking often */
#define MIN_INTERVAL	0.1
/* Each failure leaves a line in the log */
#define FIRST_RETRY	60
#define LAST_RETRY	86400

static void read_command(struct exported *p)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", p->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(p->command, sizeof(p->command), f))
		p->command[strcspn(p->command, "\n")] = 0;
	fclose(f);
}

static struct observe_options options_of(const struct exporter *x, const struct exported *p)
{
	struct observe_options opt = x->observe;

	opt.pid = p->pid;
	return opt;
}

static int failed(struct exported *p, int rc)
{
	p->observed = false;
	p->retry = seconds_now() + p->delay;
	p->delay = fmin(2 * p->delay, LAST_RETRY);
	return rc;
}

static int observe(const struct exporter *x, struct exported *p)
{
	struct observe_options opt = options_of(x, p);
	int rc = observe_open(&p->observer, &opt);

	if (rc)
		return failed(p, rc);
	p->observed = true;
	p->delay = FIRST_RETRY;
	return EXIT_OK;
}

/* Returns an exit code, or -ESRCH if the process, or one of its address spaces, is gone */
static int refresh(const struct exporter *x, struct exported *p)
{
	struct observe_options opt = options_of(x, p);
	int rc;

	read_command(p);
	if (!p->observed)
		return seconds_now() < p->retry ? EXIT_OK : observe(x, p);
	rc = observe_refresh(&p->observer, &opt);
	if (!rc)
		return EXIT_OK;
	/* The only process that is observed must not end unnoticed */
	if (rc == -ESRCH && x->all) {
		observe_end(&p->observer, EXIT_OK);
		p->observed = false;
		return rc;
	}
	return failed(p, observe_end(&p->observer, rc));
}

static int add_process(struct exporter *x, int pid)
{
	struct exported *more = realloc(x->processes, (x->num + 1) * sizeof(*more)), *p;

	if (!more)
		return complain(EXIT_FAILED, "out of memory");
	x->processes = more;
	p = &more[x->num++];
	*p = (struct exported){ .pid = pid, .delay = FIRST_RETRY };
	read_command(p);
	return observe(x, p);
}

static void drop_process(struct exporter *x, size_t i)
{
	struct exported *p = &x->processes[i];

	if (p->observed)
		observe_end(&p->observer, EXIT_OK);
	memmove(p, p + 1, (--x->num - i) * sizeof(*p));
}

static bool is_owner(const struct owners *owners, int pid)
{
	size_t i;

	for (i = 0; i < owners->num; i++)
		if (owners->pids[i] == pid)
			return true;
	return false;
}

static bool is_exported(const struct exporter *x, int pid)
{
	size_t i;

	for (i = 0; i < x->num; i++)
		if (x->processes[i].pid == pid)
			return true;
	return false;
}

/* Those that fail have said so, and the others go on */
static int update_all(struct exporter *x)
{
	struct owners owners;
	size_t i;

	if (borrow_owners(&owners)) {
		free(owners.pids);
		return complain(EXIT_FAILED, "out of memory");
	}
	x->hidden = owners.hidden;
	for (i = x->num; i-- > 0;)
		if (!is_owner(&owners, x->processes[i].pid) ||
		    refresh(x, &x->processes[i]) == -ESRCH)
			drop_process(x, i);
	for (i = 0; i < owners.num; i++)
		if (!is_exported(x, owners.pids[i]))
			add_process(x, owners.pids[i]);
	free(owners.pids);
	return EXIT_OK;
}

static int count(void *arg, const struct idirty_range *run)
{
	*(uint64_t *)arg += run->length;
	return 0;
}

static void scan(struct watched *w, uint64_t page_size)
{
	double begin = seconds_now();
	uint64_t bytes = 0;
	int rc = 0;

	/* What could not be tracked may have left the address space since */
	if (*w->reason) {
		*w->reason = 0;
		rc = observe_start(w, NULL, 0);
	}
	if (!rc) {
		rc = observe_scan(w, page_size, count, &bytes);
		/* All that is mapped is reported if a part of it is not tracked */
		w->total += rc == -ENXIO ? 0 : bytes;
		w->scanning += seconds_now() - begin;
		w->scans++;
		w->errors += !!rc;
	}
	/* Until the next update finds out whether only the address space is gone */
	if (rc == -ESRCH)
		observe_gone(w);
}

int processes_pidfd(const struct exporter *x)
{
	return x->all || !x->num ? -1 : x->processes->observer.pidfd;
}

bool processes_ended(const struct exporter *x)
{
	struct pollfd ended = { .fd = processes_pidfd(x), .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

int processes_update(struct exporter *x)
{
	int rc = EXIT_OK;
	size_t i, j;

	if (x->updated && seconds_now() - x->updated < MIN_INTERVAL && !processes_ended(x))
		return EXIT_OK;
	if (x->all)
		rc = update_all(x);
	else
		rc = x->num ? refresh(x, x->processes) : add_process(x, x->observe.pid);
	for (i = 0; !rc && i < x->num; i++) {
		struct exported *p = &x->processes[i];

		for (j = 0; p->observed && j < p->observer.num; j++)
			scan(&p->observer.watched[j], x->observe.page_size);
		if (p->observed)
			observe_tell(&p->observer);
	}
	x->updated = seconds_now();
	return rc;
}

void processes_free(struct exporter *x)
{
	while (x->num)
		drop_process(x, x->num - 1);
	free(x->processes);
}
