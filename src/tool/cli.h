#ifndef CLI_H
#define CLI_H

/* msgraphctl: one file a command. */

#include "broker-client.h"

#include <stdbool.h>

#define CLI_EXIT_USAGE 64

struct oauthd_config;

struct cli {
	const char *socket_path;
	const char *address;		/* NULL if none was given */
	bool wait, revoke, device, json;
	/* NULL if none was read, and why */
	const struct oauthd_config *config;
	const char *config_error;
};

/* Ask the daemon; op is "link", ... */
void cli_request(const struct cli *cli, const char *op,
		 struct broker_answer *answer_r);
/* One line to stderr; returns the exit status 1. */
int cli_fail(const struct broker_answer *answer);

/* Each returns the exit status. */
int cmd_link(const struct cli *cli);
int cmd_status(const struct cli *cli);
int cmd_password(const struct cli *cli);
int cmd_rekey(const struct cli *cli);
int cmd_unlink(const struct cli *cli);
int cmd_probe(const struct cli *cli);

#endif
