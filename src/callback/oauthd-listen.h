#ifndef OAUTHD_LISTEN_H
#define OAUTHD_LISTEN_H

/* A listening socket for "ADDRESS:PORT", "[ADDRESS]:PORT" or the path of a UNIX
   socket, which starts with "/". setting is its name, for the error text.
   Returns -1 and a heap text. */
int oauthd_listen(const char *setting, const char *address, char **error_r);

#endif
