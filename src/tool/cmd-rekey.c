/* msgraphctl rekey: seal all tokens with the newest key. */

#include "cli.h"

#include <stdio.h>

int cmd_rekey(const struct cli *cli)
{
	struct broker_answer answer;
	int ret = 0;

	cli_request(cli, "rekey", &answer);
	if (answer.status != BROKER_OK)
		ret = cli_fail(&answer);
	else
		printf("%s\n", answer.message);
	broker_answer_deinit(&answer);
	return ret;
}
