// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET /metrics on the loopback interface, by libmicrohttpd. There are no threads: the library
 * does what can be done without waiting. A connection is for one request, and is closed when
 * its time is over, so clients that are slow, even if they have all connections, delay others
 * by no more than that time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "export.h"

#define MAX_CONNECTIONS	16
/* For all of a request, and the most that a client may leave unread in the memory */
#define MAX_REQUEST	(16 << 10)
/* Seconds from the start of a connection to the end of the answer */
#define CLIENT_TIME	10

#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct client {
	int fd;
	double deadline;	/* 0: not in use */
};

struct http {
	struct MHD_Daemon *daemon;
	struct exporter *exporter;
	int result;		/* of the last processes_update() */
	struct client clients[MAX_CONNECTIONS];
	bool closed;		/* a connection, in the last MHD_run() */
};

/* The library's own timeout starts anew with each byte */
static void note_connection(void *arg, struct MHD_Connection *connection, void **context,
			    enum MHD_ConnectionNotificationCode what)
{
	struct client *client = *context;
	struct http *http = arg;
	size_t i;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client)
			client->deadline = 0;
		http->closed = true;
		return;
	}
	for (i = 0; i < MAX_CONNECTIONS; i++) {
		client = &http->clients[i];
		if (client->deadline)
			continue;
		client->fd = MHD_get_connection_info(connection,
						     MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		client->deadline = seconds_now() + CLIENT_TIME;
		*context = client;
		return;
	}
}

/* The library finds out that nothing more comes, and closes the connections */
static void drop_slow(struct http *http)
{
	double now = seconds_now();
	size_t i;

	for (i = 0; i < MAX_CONNECTIONS; i++)
		if (http->clients[i].deadline && http->clients[i].deadline <= now)
			shutdown(http->clients[i].fd, SHUT_RDWR);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned int status,
				     struct MHD_Response *response)
{
	enum MHD_Result rc;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text, const char *allow)
{
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(strlen(text), (void *)text,
						   MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	if (allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	return send_response(connection, status, response);
}

/* OpenMetrics, unless the client accepts only the older format */
static enum metrics_format wanted_format(struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);

	return accept && strstr(accept, "text/plain") &&
	       !strstr(accept, "application/openmetrics-text") ? PROMETHEUS_TEXT : OPENMETRICS;
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	enum metrics_format format = wanted_format(connection);
	struct MHD_Response *response;
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	http->result = processes_update(http->exporter);
	if (http->result)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "nothing is observed\n", NULL);
	f = open_memstream(&text, &len);
	if (!f)
		return MHD_NO;
	if (!metrics_write(f, http->exporter, format) || fclose(f)) {
		free(text);
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				format == OPENMETRICS ? TYPE_OPENMETRICS : TYPE_PROMETHEUS);
	return send_response(connection, MHD_HTTP_OK, response);
}

/*
 * Whether the client has asked for this host, if it says. A page from elsewhere, for whose
 * host name DNS answers 127.0.0.1, would make a browser read the metrics for it.
 */
static bool is_for_us(struct MHD_Connection *connection)
{
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_HOST);
	char name[64];
	uint8_t ipv4[4];

	if (!host)
		return true;
	snprintf(name, sizeof(name), "%s", host);
	if (*name != '[')
		name[strcspn(name, ":")] = 0;
	else if (strchr(name, ']'))
		strchr(name, ']')[1] = 0;
	return !strcasecmp(name, "localhost") || !strcmp(name, "[::1]") ||
	       (inet_pton(AF_INET, name, ipv4) == 1 && ipv4[0] == 127);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *data_size, void **state)
{
	(void)version;
	(void)data;
	(void)data_size;
	(void)state;
	if (strcmp(url, "/metrics"))
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n",
				   NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET))
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is known\n",
				   MHD_HTTP_METHOD_GET);
	if (!is_for_us(connection))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "ask for localhost, 127.0.0.1 or [::1]\n", NULL);
	return answer_metrics(arg, connection);
}

int http_open(struct http **out, const struct http_address *address, struct exporter *x)
{
	struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(address->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };
	unsigned int flags = MHD_USE_EPOLL | (address->ipv6 ? MHD_USE_IPv6 : 0);
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return complain(EXIT_FAILED, "out of memory");
	memcpy(&ipv4.sin_addr, address->ipv4, sizeof(ipv4.sin_addr));
	http->exporter = x;
	errno = 0;
	http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, http,
					MHD_OPTION_SOCK_ADDR, address->ipv6 ?
					(struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4,
					MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
					MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_TIME,
					MHD_OPTION_NOTIFY_CONNECTION, note_connection, http,
					MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_REQUEST,
					MHD_OPTION_END);
	if (!http->daemon) {
		free(http);
		return complain(EXIT_FAILED, "cannot listen on %s: %s", address->text,
				strerror(errno));
	}
	*out = http;
	return EXIT_OK;
}

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int http_timeout(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;
	double left = INFINITY;
	size_t i;

	if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
		left = ms;
	for (i = 0; i < MAX_CONNECTIONS; i++)
		if (http->clients[i].deadline)
			left = fmin(left, fmax(http->clients[i].deadline - seconds_now(), 0) * 1e3);
	return left < INFINITY ? ceil(fmin(left, 1e6)) : -1;
}

int http_run(struct http *http)
{
	drop_slow(http);
	/* With all connections in use, it listens again only in the call after one has closed */
	do {
		http->closed = false;
		MHD_run(http->daemon);
	} while (http->closed);
	return http->result;
}

void http_close(struct http *http)
{
	MHD_stop_daemon(http->daemon);
	free(http);
}
