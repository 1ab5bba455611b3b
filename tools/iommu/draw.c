// SPDX-License-Identifier: GPL-2.0-only
/*
 * A heatmap as SVG or PNG, by cairo. A build with CAIRO= set to nothing, for a
 * static program, has none.
 */
#include "iommu-dirty.h"

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

static void draw_axes(cairo_t *cr, const struct heatmap *map)
{
	char s[64];
	int i;

	cairo_set_source_rgb(cr, 0, 0, 0);
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, 13);
	text(cr, LEFT, TOP - 15, "what devices wrote: address by time; darker: more of it");
	for (i = 0; i <= 4; i++) {
		snprintf(s, sizeof(s), "%.2f s", map->end * i / 4);
		text(cr, 10, TOP + (HEIGHT - TOP - BOTTOM) * i / 4.0 + 5, s);
	}
	snprintf(s, sizeof(s), "%#llx", (unsigned long long)map->first);
	text(cr, LEFT, HEIGHT - BOTTOM + 20, s);
	snprintf(s, sizeof(s), "%#llx", (unsigned long long)map->last);
	text(cr, WIDTH - RIGHT - 110, HEIGHT - BOTTOM + 20, s);
	cairo_set_line_width(cr, 1);
	cairo_rectangle(cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
	cairo_stroke(cr);
}

static void draw(cairo_t *cr, const struct heatmap *map)
{
	double w = (double)(WIDTH - LEFT - RIGHT) / map->columns;
	double h = (double)(HEIGHT - TOP - BOTTOM) / map->rows;
	unsigned int row, c;

	cairo_set_source_rgb(cr, 1, 1, 1);
	cairo_paint(cr);
	for (row = 0; row < map->rows; row++)
		for (c = 0; c < map->columns; c++) {
			double part = map->cells[row * map->columns + c];

			if (part <= 0)
				continue;
			/* Light yellow to dark red; the least is seen, too */
			part = 0.15 + 0.85 * part;
			cairo_set_source_rgb(cr, 1 - 0.4 * part, 0.95 * (1 - part),
					     0.6 * (1 - part));
			cairo_rectangle(cr, LEFT + c * w, TOP + row * h, w, h);
			cairo_fill(cr);
		}
	draw_axes(cr, map);
}

const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg)
{
	cairo_surface_t *surface;
	cairo_status_t status;
	cairo_t *cr;

	if (svg)
		surface = cairo_svg_surface_create(file, WIDTH, HEIGHT);
	else
		surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
	cr = cairo_create(surface);
	draw(cr, map);
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
#else
const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg)
{
	(void)map;
	(void)file;
	(void)svg;
	return "this iommu-dirty was built without cairo";
}
#endif
