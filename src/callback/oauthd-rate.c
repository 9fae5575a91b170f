#include "oauthd-rate.h"

/* full_at lies so many intervals ahead as have been taken. */
static bool rate_may(const struct oauthd_rate *rate, time_t now)
{
	return rate->full_at <= now ||
		rate->full_at - now <=
		(time_t)(rate->burst - 1) * (time_t)rate->secs;
}

bool oauthd_rate_may(struct oauthd_rate *rate, time_t now)
{
	bool may;

	pthread_mutex_lock(&rate->mutex);
	may = rate_may(rate, now);
	pthread_mutex_unlock(&rate->mutex);
	return may;
}

bool oauthd_rate_take(struct oauthd_rate *rate, time_t now)
{
	bool may;

	pthread_mutex_lock(&rate->mutex);
	may = rate_may(rate, now);
	if (may) {
		if (rate->full_at < now)
			rate->full_at = now;
		rate->full_at += (time_t)rate->secs;
	}
	pthread_mutex_unlock(&rate->mutex);
	return may;
}
