/* msgraphctl status: what the daemon knows of one or all accounts. */

#include "cli.h"

#include <stdio.h>

int cmd_status(const struct cli *cli)
{
	struct broker_answer answer;
	int ret;

	cli_request(cli, "status", &answer);
	if (answer.status == BROKER_UNAVAILABLE ||
	    answer.status == BROKER_FORBIDDEN ||
	    answer.status == BROKER_UNKNOWN_ACCOUNT)
		ret = cli_fail(&answer);
	else {
		printf("%s\n", answer.message == NULL ? "" : answer.message);
		ret = answer.status == BROKER_OK ? 0 : 1;
	}
	broker_answer_deinit(&answer);
	return ret;
}
