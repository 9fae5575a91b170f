#ifndef OAUTHD_NOTIFY_H
#define OAUTHD_NOTIFY_H

/* Tell the service manager (systemd) that started us how far we are. Nothing
   happens without one, or without libsystemd. */

void oauthd_notify_ready(void);
void oauthd_notify_reloading(void);
void oauthd_notify_stopping(void);

#endif
