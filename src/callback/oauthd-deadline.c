#include "oauthd-deadline.h"
#include "msnet-buf.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* so many connections at once are a crowd */
#define DEADLINE_CROWD 64

struct deadline {
	struct deadline *prev, *next;
	int fd;
	time_t at;			/* CLOCK_MONOTONIC; 0 = none now */
};

struct oauthd_deadlines {
	unsigned int secs;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stop;
	struct deadline *first;
	unsigned int count;
	bool crowded;
};

static time_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void *deadlines_run(void *context)
{
	struct oauthd_deadlines *deadlines = context;
	struct deadline *deadline;
	struct timespec wake;

	pthread_mutex_lock(&deadlines->mutex);
	while (!deadlines->stop) {
		time_t now = monotonic_now();

		/* the library sees the end of the connection and closes it */
		for (deadline = deadlines->first; deadline != NULL;
		     deadline = deadline->next) {
			if (deadline->at != 0 && deadline->at < now)
				(void)shutdown(deadline->fd, SHUT_RDWR);
		}
		if (deadlines->crowded && deadlines->count == 0) {
			/* the system gets back what the crowd has used */
			(void)malloc_trim(0);
			deadlines->crowded = false;
		}
		clock_gettime(CLOCK_REALTIME, &wake);
		wake.tv_sec++;
		(void)pthread_cond_timedwait(&deadlines->cond,
					     &deadlines->mutex, &wake);
	}
	pthread_mutex_unlock(&deadlines->mutex);
	return NULL;
}

struct oauthd_deadlines *oauthd_deadlines_create(unsigned int secs)
{
	struct oauthd_deadlines *deadlines = msnet_malloc(sizeof(*deadlines));

	deadlines->secs = secs;
	pthread_mutex_init(&deadlines->mutex, NULL);
	pthread_cond_init(&deadlines->cond, NULL);
	if (pthread_create(&deadlines->thread, NULL, deadlines_run,
			   deadlines) != 0) {
		free(deadlines);
		return NULL;
	}
	return deadlines;
}

void oauthd_deadlines_destroy(struct oauthd_deadlines **_deadlines)
{
	struct oauthd_deadlines *deadlines = *_deadlines;

	if (deadlines == NULL)
		return;
	*_deadlines = NULL;
	pthread_mutex_lock(&deadlines->mutex);
	deadlines->stop = true;
	pthread_cond_signal(&deadlines->cond);
	pthread_mutex_unlock(&deadlines->mutex);
	(void)pthread_join(deadlines->thread, NULL);
	pthread_cond_destroy(&deadlines->cond);
	pthread_mutex_destroy(&deadlines->mutex);
	free(deadlines);
}

/* The notification that a connection is closed comes before its descriptor is
   closed, so nobody else's is shut down. */
void oauthd_deadlines_notify(void *cls, struct MHD_Connection *conn,
			     void **socket_context,
			     enum MHD_ConnectionNotificationCode code)
{
	struct oauthd_deadlines *deadlines = cls;
	struct deadline *deadline = *socket_context;
	const union MHD_ConnectionInfo *info;

	pthread_mutex_lock(&deadlines->mutex);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(conn,
			MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = deadline = msnet_malloc(sizeof(*deadline));
		deadline->fd = info->connect_fd;
		deadline->at = monotonic_now() + (time_t)deadlines->secs;
		deadline->next = deadlines->first;
		if (deadline->next != NULL)
			deadline->next->prev = deadline;
		deadlines->first = deadline;
		if (++deadlines->count >= DEADLINE_CROWD)
			deadlines->crowded = true;
	} else if (deadline != NULL) {
		if (deadline->prev != NULL)
			deadline->prev->next = deadline->next;
		else
			deadlines->first = deadline->next;
		if (deadline->next != NULL)
			deadline->next->prev = deadline->prev;
		free(deadline);
		deadlines->count--;
		*socket_context = NULL;
	}
	pthread_mutex_unlock(&deadlines->mutex);
}

static void
deadline_set(struct oauthd_deadlines *deadlines, struct MHD_Connection *conn,
	     time_t at)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
		MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct deadline *deadline = info->socket_context;

	if (deadline == NULL)
		return;
	pthread_mutex_lock(&deadlines->mutex);
	deadline->at = at;
	pthread_mutex_unlock(&deadlines->mutex);
}

void oauthd_deadline_met(struct oauthd_deadlines *deadlines,
			 struct MHD_Connection *conn)
{
	deadline_set(deadlines, conn, 0);
}

void oauthd_deadline_restart(struct oauthd_deadlines *deadlines,
			     struct MHD_Connection *conn)
{
	deadline_set(deadlines, conn,
		     monotonic_now() + (time_t)deadlines->secs);
}
