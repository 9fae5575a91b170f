#include "msnet-transport.h"

struct msnet_perform {
	struct msnet_response *resp;
	bool done;
};

static void msnet_perform_callback(struct msnet_response *resp, void *context)
{
	struct msnet_perform *perform = context;

	perform->resp = resp;
	perform->done = true;
}

struct msnet_response *
msnet_transport_perform(struct msnet_transport *transport,
			struct msnet_request *req)
{
	struct msnet_perform perform = { .resp = NULL, .done = false };

	transport->v->start(transport, req, msnet_perform_callback, &perform);
	transport->v->run(transport, &perform.done);
	return perform.resp;
}
