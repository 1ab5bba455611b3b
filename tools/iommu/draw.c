// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws pictures by the program iommu-dirty-plot, which is a package of its own: its
 * plotting library is large.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iommu-dirty.h"

#define PLOT	"iommu-dirty-plot"

bool is_picture(const char *file)
{
	return ends_with(file, ".svg") || ends_with(file, ".png") || ends_with(file, ".html");
}

/* Starts the program with a pipe as its standard input; returns 0 or an errno value */
static int start(char *file, pid_t *pid, int *input)
{
	char name[] = PLOT, *argv[] = { name, file, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	rc = posix_spawnp(pid, PLOT, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	if (rc)
		close(ends[1]);
	*input = ends[1];
	return rc;
}

int draw(json_t *json, const char *file)
{
	int input = -1, status = 0, rc;
	pid_t pid;

	/* If this was inherited as ignored, the result of the program would be lost */
	signal(SIGCHLD, SIG_DFL);
	rc = start((char *)file, &pid, &input);
	if (rc == ENOENT)
		return complain(EXIT_FAILED, "%s: pictures need the program " PLOT
				", which is not installed", file);
	if (rc)
		return complain(EXIT_FAILED, PLOT ": %s", strerror(rc));
	/* If it ends early, it says why; what it has not read is not needed then */
	signal(SIGPIPE, SIG_IGN);
	json_dumpfd(json, input, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	close(input);
	signal(SIGPIPE, SIG_DFL);
	if (waitpid(pid, &status, 0) < 0)
		return complain(EXIT_FAILED, PLOT ": %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return complain(EXIT_FAILED, "%s has not been drawn", file);
	return EXIT_OK;
}
