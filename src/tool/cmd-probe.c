/* msgraphctl probe: can a token be had for this account now? */

#include "cli.h"

#include <stdio.h>

int cmd_probe(const struct cli *cli)
{
	struct broker_answer answer;
	int ret = 0;

	cli_request(cli, "token", &answer);
	if (answer.status == BROKER_OK)
		printf("%s: access token in hand, valid for %u seconds\n",
		       cli->address, answer.expires_in);
	else {
		ret = cli_fail(&answer);
		if (answer.url != NULL)
			printf("%s\n", answer.url);
	}
	broker_answer_deinit(&answer);
	return ret;
}
