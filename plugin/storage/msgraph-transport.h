#ifndef MSGRAPH_TRANSPORT_H
#define MSGRAPH_TRANSPORT_H

/* msnet_transport over curl multi in Dovecot's ioloop. run() makes a nested
   ioloop and moves our sockets and timers into it. */

#include "msnet-transport.h"

struct msnet_transport *
msgraph_transport_create(const struct msnet_tls_settings *set);

#endif
