#include "oauthd-notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>
#include <time.h>

void oauthd_notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void oauthd_notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
			 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void oauthd_notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

#else

void oauthd_notify_ready(void)
{
}

void oauthd_notify_reloading(void)
{
}

void oauthd_notify_stopping(void)
{
}

#endif
