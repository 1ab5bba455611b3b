// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws a heatmap, or the measurements of advise, as SVG or PNG, using cairo. A build
 * with an empty CAIRO=, for a static program, cannot draw.
 */
#include <math.h>

#include "advise.h"

#ifdef HAVE_CAIRO
#include <cairo-svg.h>
#include <cairo.h>

#define WIDTH	960
#define HEIGHT	540
#define LEFT	90
#define RIGHT	20
#define TOP	40
#define BOTTOM	50

static void text(cairo_t *cr, double x, double y, const char *s)
{
	cairo_move_to(cr, x, y);
	cairo_show_text(cr, s);
}

static void use_pen(cairo_t *cr)
{
	cairo_set_source_rgb(cr, 0, 0, 0);
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, 13);
	cairo_set_line_width(cr, 1);
}

static void draw_axes(cairo_t *cr, const struct heatmap *map)
{
	char s[64];
	int i;

	use_pen(cr);
	text(cr, LEFT, TOP - 15, "what devices wrote: address by time; darker: more of it");
	for (i = 0; i <= 4; i++) {
		snprintf(s, sizeof(s), "%.2f s", map->end * i / 4);
		text(cr, 10, TOP + (HEIGHT - TOP - BOTTOM) * i / 4.0 + 5, s);
	}
	snprintf(s, sizeof(s), "%#llx", (unsigned long long)map->first);
	text(cr, LEFT, HEIGHT - BOTTOM + 20, s);
	snprintf(s, sizeof(s), "%#llx", (unsigned long long)map->last);
	text(cr, WIDTH - RIGHT - 110, HEIGHT - BOTTOM + 20, s);
	cairo_rectangle(cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
	cairo_stroke(cr);
}

static void paint_heatmap(cairo_t *cr, const void *arg)
{
	const struct heatmap *map = arg;
	double w = (double)(WIDTH - LEFT - RIGHT) / map->columns;
	double h = (double)(HEIGHT - TOP - BOTTOM) / map->rows;
	unsigned int row, c;

	for (row = 0; row < map->rows; row++)
		for (c = 0; c < map->columns; c++) {
			double part = map->cells[row * map->columns + c];

			if (part <= 0)
				continue;
			/* Light yellow to dark red; any fraction above 0 is visible */
			part = 0.15 + 0.85 * part;
			cairo_set_source_rgb(cr, 1 - 0.4 * part, 0.95 * (1 - part),
					     0.6 * (1 - part));
			cairo_rectangle(cr, LEFT + c * w, TOP + row * h, w, h);
			cairo_fill(cr);
		}
	draw_axes(cr, map);
}

/* The plot: a line for each page size of each tracker, times on a logarithmic axis */
struct plot {
	const struct advise_result *result;
	const struct advise_limits *limits;
	int first;
	int last;
};

static double plot_x(const struct plot *plot, double ns)
{
	return 2 * LEFT + (WIDTH - 2 * LEFT - RIGHT) * (log10(fmax(ns, 1)) - plot->first) /
	       (plot->last - plot->first);
}

static void plot_dot(cairo_t *cr, double x, double y, bool send)
{
	if (send)
		cairo_set_source_rgb(cr, 0.8, 0.2, 0.1);
	else
		cairo_set_source_rgb(cr, 0.1, 0.3, 0.8);
	/* No line from the current point, the end of a text */
	cairo_new_path(cr);
	cairo_arc(cr, x, y, 5, 0, 2 * M_PI);
	cairo_fill(cr);
}

static void plot_axis(cairo_t *cr, const struct plot *plot)
{
	char s[64];
	int i;

	use_pen(cr);
	text(cr, 2 * LEFT, TOP - 15, "seconds of a round:");
	plot_dot(cr, 2 * LEFT + 150, TOP - 20, false);
	plot_dot(cr, 2 * LEFT + 220, TOP - 20, true);
	use_pen(cr);
	text(cr, 2 * LEFT + 160, TOP - 15, "READ");
	text(cr, 2 * LEFT + 230, TOP - 15, "sending what was dirty");
	for (i = plot->first; i <= plot->last; i++) {
		double x = plot_x(plot, pow(10, i));

		snprintf(s, sizeof(s), "%g", pow(10, i - 9));
		text(cr, x - 15, HEIGHT - BOTTOM + 20, s);
		cairo_move_to(cr, x, TOP);
		cairo_line_to(cr, x, HEIGHT - BOTTOM);
		cairo_stroke(cr);
	}
}

static void paint_advice(cairo_t *cr, const void *arg)
{
	const struct plot *plot = arg;
	size_t lines = 1, line = 0, i, j;
	char s[96];

	for (i = 0; i < plot->result->num; i++)
		lines += plot->result->trackers[i].num_rows;
	plot_axis(cr, plot);
	for (i = 0; i < plot->result->num; i++) {
		const struct advise_tracker *t = &plot->result->trackers[i];

		for (j = 0; j < t->num_rows; j++) {
			double y = TOP + (HEIGHT - TOP - BOTTOM) * (line + 1.0) / lines;
			const struct advise_row *row = &t->rows[j];

			line++;
			use_pen(cr);
			snprintf(s, sizeof(s), "%.20s %s", t->name, size_text(row->page_size));
			text(cr, 10, y + 5, s);
			plot_dot(cr, plot_x(plot, row->read_ns), y, false);
			if (row->sent_bytes)
				plot_dot(cr, plot_x(plot, row->sent_bytes /
						    plot->limits->bandwidth * 1e9), y, true);
		}
	}
}

static const char *draw(void (*paint)(cairo_t *cr, const void *arg), const void *arg,
			const char *file, bool svg)
{
	cairo_surface_t *surface;
	cairo_status_t status;
	cairo_t *cr;

	if (svg)
		surface = cairo_svg_surface_create(file, WIDTH, HEIGHT);
	else
		surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
	cr = cairo_create(surface);
	cairo_set_source_rgb(cr, 1, 1, 1);
	cairo_paint(cr);
	paint(cr, arg);
	status = cairo_status(cr);
	cairo_destroy(cr);
	if (!status && !svg)
		status = cairo_surface_write_to_png(surface, file);
	cairo_surface_finish(surface);
	if (!status)
		status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	return status ? cairo_status_to_string(status) : NULL;
}

const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg)
{
	return draw(paint_heatmap, map, file, svg);
}

const char *draw_advice(const struct advise_result *result, const struct advise_limits *limits,
			const char *file, bool svg)
{
	struct plot plot = { .result = result, .limits = limits };

	advise_decades(result, limits, &plot.first, &plot.last);
	return draw(paint_advice, &plot, file, svg);
}
#else
static const char no_cairo[] = "this iommu-dirty was built without cairo";

const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg)
{
	(void)map;
	(void)file;
	(void)svg;
	return no_cairo;
}

const char *draw_advice(const struct advise_result *result, const struct advise_limits *limits,
			const char *file, bool svg)
{
	(void)result;
	(void)limits;
	(void)file;
	(void)svg;
	return no_cairo;
}
#endif
