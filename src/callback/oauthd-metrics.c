#include "oauthd-metrics.h"
#include "oauthd-expiry.h"
#include "oauthd.h"
#include "msnet-buf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "msgraph_oauthd_"
/* label sets of one counter: codes of the login host come from outside */
#define CELLS_MAX 200

enum counter {
	COUNTER_REFRESHES = 0, COUNTER_FAILURES, COUNTER_LINKS,
	COUNTER_REQUESTS, COUNTER_COUNT
};

static const struct {
	const char *name, *help;
} counters[COUNTER_COUNT] = {
	{ "refreshes", "Token requests for linked accounts, by result." },
	{ "failures", "Refusals of the login host, by AADSTS code." },
	{ "links", "Sign-ins in a browser, by result." },
	{ "requests", "HTTP requests, by page and status." },
};

struct cell {
	struct cell *next;
	unsigned long count;
	char labels[64];		/* a="b",c="d" */
};

struct oauthd_metrics {
	pthread_mutex_t mutex;
	struct cell *cells[COUNTER_COUNT];
	unsigned int in_flight;
	time_t started;
};

struct oauthd_metrics *oauthd_metrics_create(void)
{
	struct oauthd_metrics *metrics = msnet_malloc(sizeof(*metrics));

	pthread_mutex_init(&metrics->mutex, NULL);
	metrics->started = time(NULL);
	return metrics;
}

void oauthd_metrics_destroy(struct oauthd_metrics **_metrics)
{
	struct oauthd_metrics *metrics = *_metrics;
	struct cell *cell;
	unsigned int i;

	if (metrics == NULL)
		return;
	*_metrics = NULL;
	for (i = 0; i < COUNTER_COUNT; i++) {
		while ((cell = metrics->cells[i]) != NULL) {
			metrics->cells[i] = cell->next;
			free(cell);
		}
	}
	pthread_mutex_destroy(&metrics->mutex);
	free(metrics);
}

/* Called with the mutex held. */
static void
count(struct oauthd_metrics *metrics, enum counter counter, const char *labels)
{
	struct cell **p;
	unsigned int n = 0;

	for (p = &metrics->cells[counter]; *p != NULL; p = &(*p)->next) {
		if (strcmp((*p)->labels, labels) == 0)
			break;
		n++;
	}
	if (*p == NULL) {
		if (n >= CELLS_MAX)
			return;
		*p = msnet_malloc(sizeof(**p));
		snprintf((*p)->labels, sizeof((*p)->labels), "%s", labels);
	}
	(*p)->count++;
}

static void
count_failure(struct oauthd_metrics *metrics, const struct mstoken_failure *fail)
{
	char labels[64];

	if (fail == NULL || fail->code == 0)
		return;
	snprintf(labels, sizeof(labels), "code=\"AADSTS%u\"", fail->code);
	count(metrics, COUNTER_FAILURES, labels);
}

void oauthd_metrics_refresh(struct oauthd_metrics *metrics,
			    const struct mstoken_failure *fail)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "result=\"%s\"", mstoken_state_name(
		fail == NULL ? MSTOKEN_STATE_OK : fail->state));
	pthread_mutex_lock(&metrics->mutex);
	count(metrics, COUNTER_REFRESHES, labels);
	count_failure(metrics, fail);
	pthread_mutex_unlock(&metrics->mutex);
}

void oauthd_metrics_link(struct oauthd_metrics *metrics, const char *result,
			 const struct mstoken_failure *fail)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "result=\"%s\"", result);
	pthread_mutex_lock(&metrics->mutex);
	count(metrics, COUNTER_LINKS, labels);
	count_failure(metrics, fail);
	pthread_mutex_unlock(&metrics->mutex);
}

void oauthd_metrics_request_begin(struct oauthd_metrics *metrics)
{
	pthread_mutex_lock(&metrics->mutex);
	metrics->in_flight++;
	pthread_mutex_unlock(&metrics->mutex);
}

void oauthd_metrics_request_end(struct oauthd_metrics *metrics,
				const char *page, unsigned int status)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "page=\"%s\",status=\"%u\"", page,
		 status);
	pthread_mutex_lock(&metrics->mutex);
	metrics->in_flight--;
	count(metrics, COUNTER_REQUESTS, labels);
	pthread_mutex_unlock(&metrics->mutex);
}

/*
 * The text
 */

static void add_family(struct msnet_buf *buf, const char *name,
		       const char *type, const char *help)
{
	msnet_buf_printf(buf, "# TYPE " PREFIX "%s %s\n"
			 "# HELP " PREFIX "%s %s\n", name, type, name, help);
}

static void add_counters(struct msnet_buf *buf, struct oauthd_metrics *metrics)
{
	const struct cell *cell;
	unsigned int i;

	for (i = 0; i < COUNTER_COUNT; i++) {
		add_family(buf, counters[i].name, "counter", counters[i].help);
		for (cell = metrics->cells[i]; cell != NULL; cell = cell->next)
			msnet_buf_printf(buf, PREFIX "%s_total{%s} %lu\n",
					 counters[i].name, cell->labels,
					 cell->count);
	}
}

static void add_accounts(struct msnet_buf *buf, struct oauthd *oauthd)
{
	unsigned int states[MSTOKEN_STATE_NOT_LINKED] = { 0 };
	struct mstoken_account *accounts;
	unsigned int i, n;

	add_family(buf, "store_up", "gauge", "1 if the account store answers.");
	if (mstoken_store_list(oauthd->store, &accounts, &n) < 0) {
		msnet_buf_add(buf, PREFIX "store_up 0\n");
		return;
	}
	msnet_buf_add(buf, PREFIX "store_up 1\n");
	for (i = 0; i < n; i++) {
		if (accounts[i].state < MSTOKEN_STATE_NOT_LINKED)
			states[accounts[i].state]++;
	}
	mstoken_accounts_free(&accounts, n);
	add_family(buf, "accounts", "gauge", "Linked accounts, by state.");
	for (i = 0; i < MSTOKEN_STATE_NOT_LINKED; i++)
		msnet_buf_printf(buf, PREFIX "accounts{state=\"%s\"} %u\n",
				 mstoken_state_name((enum mstoken_state)i),
				 states[i]);
}

static void add_expiry(struct msnet_buf *buf, struct oauthd *oauthd)
{
	struct oauthd_expiry *list;
	unsigned int i, count;

	list = oauthd_expiries_get(oauthd, &count);
	if (count > 0)
		add_family(buf, "credential_expiry_days", "gauge", "Days until "
			   "the credential of an app registration ends.");
	for (i = 0; i < count; i++) {
		msnet_buf_printf(buf, PREFIX "credential_expiry_days"
			"{registration=\"%s\",kind=\"%s\"} %.2f\n",
			list[i].registration, list[i].kind,
			oauthd_expiry_days(list[i].expires,
					   (int64_t)time(NULL)));
	}
	oauthd_expiries_free(&list, count);
}

char *oauthd_metrics_text(struct oauthd *oauthd)
{
	struct oauthd_metrics *metrics = oauthd->metrics;
	struct msnet_buf buf = { 0 };

	add_family(&buf, "build", "info", "The program.");
	msnet_buf_add(&buf, PREFIX "build_info{version=\"" MSGRAPH_VERSION
		      "\"} 1\n");
	pthread_mutex_lock(&metrics->mutex);
	add_family(&buf, "start_time_seconds", "gauge",
		   "When it was started, seconds since the epoch.");
	msnet_buf_printf(&buf, PREFIX "start_time_seconds %lld\n",
			 (long long)metrics->started);
	add_family(&buf, "requests_in_flight", "gauge",
		   "HTTP requests that are being answered.");
	msnet_buf_printf(&buf, PREFIX "requests_in_flight %u\n",
			 metrics->in_flight);
	add_counters(&buf, metrics);
	pthread_mutex_unlock(&metrics->mutex);
	add_accounts(&buf, oauthd);
	add_expiry(&buf, oauthd);
	msnet_buf_add(&buf, "# EOF\n");
	return msnet_buf_steal(&buf);
}
