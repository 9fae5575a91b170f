/* msgraphctl password: a new app password, or none any more. */

#include "cli.h"

#include <stdio.h>

int cmd_password(const struct cli *cli)
{
	struct broker_answer answer;
	int ret = 0;

	cli_request(cli, cli->revoke ? "revoke-password" : "password",
		    &answer);
	if (answer.status != BROKER_OK)
		ret = cli_fail(&answer);
	else if (answer.password != NULL)
		printf("%s\n", answer.password);
	broker_answer_deinit(&answer);
	return ret;
}
