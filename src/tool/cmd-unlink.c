/* msgraphctl unlink: forget an account and its tokens. */

#include "cli.h"

#include <stdio.h>

int cmd_unlink(const struct cli *cli)
{
	struct broker_answer answer;
	int ret = 0;

	cli_request(cli, "unlink", &answer);
	if (answer.status != BROKER_OK)
		ret = cli_fail(&answer);
	broker_answer_deinit(&answer);
	return ret;
}
