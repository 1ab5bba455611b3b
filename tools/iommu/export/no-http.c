// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of http.c in a static program, which cannot have the library that http.c uses.
 */
#include "export.h"

int http_open(struct http **http, const struct http_address *address, struct exporter *x)
{
	(void)http;
	(void)x;
	return complain(EXIT_FAILED, "%s: this program was built without HTTP; use --output",
			address->text);
}

int http_fd(const struct http *http)
{
	(void)http;
	return -1;
}

int http_timeout(const struct http *http)
{
	(void)http;
	return -1;
}

int http_run(struct http *http)
{
	(void)http;
	return EXIT_OK;
}

void http_close(struct http *http)
{
	(void)http;
}
