// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal view of watch, by ncurses, which restores the terminal when SIGINT or SIGTERM
 * ends the program.
 */
#include <curses.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "iommu-dirty.h"

#define BAR	24

static SCREEN *screen;

bool screen_open(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return false;
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	mvprintw(0, 0, "iommu-dirty watch: measuring. q: quit");
	refresh();
	return true;
}

void screen_close(void)
{
	endwin();
	delscreen(screen);
}

bool screen_quit(void)
{
	struct pollfd terminal = { .fd = STDIN_FILENO };
	int key;

	while ((key = getch()) != ERR)
		if (key == 'q' || key == 'Q')
			return true;
	/* A terminal that is gone is always readable, and has no keys */
	return poll(&terminal, 1, 0) > 0 && terminal.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void show_space(const struct watched *w, double most)
{
	double rate = w->seconds > 0 ? w->bytes / w->seconds / 1048576 : 0;
	int i, filled = most > 0 ? rate / most * BAR + 0.5 : 0;

	if (*w->reason) {
		printw("%8s  not tracked: %s\n", w->name, w->reason);
		return;
	}
	printw("%8s %12.1f %10.1f  ", w->name, w->bytes / 1048576.0, rate);
	for (i = 0; i < filled; i++)
		addch('#');
	addch('\n');
}

static void show_devices(const struct watched *w)
{
	json_t *device;
	size_t i;

	json_array_foreach(w->devices, i, device)
		printw("%8s   %s\n", "", json_string_value(device));
}

void screen_show(const struct observer *o, const struct observe_options *opt)
{
	struct watched all = rate_total(o);
	time_t now = time(NULL);
	double most = all.bytes / all.seconds / 1048576;
	char text[32];
	size_t i;

	strftime(text, sizeof(text), "%T", localtime(&now));
	erase();
	attron(A_BOLD);
	mvprintw(0, 0, "iommu-dirty watch, %s, every %gs, pages of %s. q: quit\n\n", text,
		 opt->duration, size_text(opt->page_size));
	attron(A_REVERSE);
	printw("%8s %12s %10s  %-*s", "ioas", "MiB", "MiB/s", BAR, "part of the total");
	attrset(A_NORMAL);
	addch('\n');
	for (i = 0; i < o->num; i++) {
		show_space(&o->watched[i], most);
		show_devices(&o->watched[i]);
	}
	attron(A_BOLD);
	show_space(&all, 0);
	attrset(A_NORMAL);
	refresh();
}
