#ifndef OAUTHD_HTTPD_H
#define OAUTHD_HTTPD_H

/* The HTTP side: routes, forms, cookies, headers. Plain HTTP on `listen`; TLS
   is the business of the web server in front. */

struct oauthd;
struct oauthd_httpd;

/* Starts its own threads. Returns NULL and a heap text. */
struct oauthd_httpd *oauthd_httpd_start(struct oauthd *oauthd, char **error_r);
void oauthd_httpd_stop(struct oauthd_httpd **httpd);

#endif
