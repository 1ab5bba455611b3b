// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The VMM around the examples named precopy, and the destination: it copies what the
 * example sends, and stops the device when the example asks for that. Called by vm.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

struct example {
	pid_t pid;
	FILE *out;	/* what it prints */
	int in;		/* what it reads */
};

static struct example spawn(const struct stage *s, const char *command)
{
	int out[2], in[2];
	struct example e;
	char line[200];

	snprintf(line, sizeof(line), "exec %s %d %u %#llx %llu", command, s->fd, s->ioas,
		 VM_IOVA, (unsigned long long)VM_SIZE);
	if (pipe2(out, O_CLOEXEC) || pipe2(in, O_CLOEXEC))
		fatal("no pipe");
	e.pid = fork();
	if (e.pid < 0)
		fatal("no process");
	if (!e.pid) {
		/* Only the example inherits the iommufd */
		fcntl(s->fd, F_SETFD, 0);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	e.in = in[1];
	e.out = fdopen(out[0], "r");
	if (!e.out)
		fatal("no stream");
	return e;
}

/* Returns how many pages the copy lacks when the device has stopped */
static unsigned int quiesce(struct stage *s, const struct example *e)
{
	uint64_t before = __atomic_load_n(&s->writes, __ATOMIC_RELAXED);
	unsigned int differing;

	/* One may have begun before the last round's READ */
	while (__atomic_load_n(&s->writes, __ATOMIC_RELAXED) < before + 8)
		;
	stage_halt(s);
	differing = stage_differing(s);
	if (write(e->in, "\n", 1) != 1)
		fatal("the example has ended");
	return differing;
}

static void test_example(struct stage *s, const char *command)
{
	unsigned int sent = 0, last = 0, missing = 0;
	unsigned long long iova, length;
	bool quiesced = false;
	struct example e;
	char line[200];
	int rc;

	memset(s->copy, 0xa5, VM_SIZE);
	stage_run(s);
	e = spawn(s, command);
	while (fgets(line, sizeof(line), e.out)) {
		if (sscanf(line, "%llx %llu", &iova, &length) == 2) {
			stage_copy(s, iova, length);
			sent++;
			last += quiesced;
		} else if (!strcmp(line, "quiesce\n") && !quiesced) {
			missing = quiesce(s, &e);
			quiesced = true;
		} else {
			printf("# %s", line);
			quiesced = false;
			break;
		}
	}
	fclose(e.out);
	close(e.in);
	if (waitpid(e.pid, &rc, 0) != e.pid)
		fatal("no exit code");
	stage_halt(s);
	printf("# %s: sent %u runs, %u of them at the end, for %u pages\n", command, sent, last,
	       missing);
	snprintf(line, sizeof(line), "%s: ends well", command);
	report(line, !rc && quiesced);
	snprintf(line, sizeof(line), "%s: only the last READ completes the copy", command);
	report(line, missing && last > 1 && !stage_differing(s));
}

void test_precopy_examples(char **commands)
{
	struct stage s;

	stage_open(&s, "vfio-pci", NULL);
	/* Few pages become dirty between two READs, so that the last one has many runs */
	s.pause = 5000;
	for (; *commands; commands++)
		test_example(&s, *commands);
	stage_close(&s);
}
