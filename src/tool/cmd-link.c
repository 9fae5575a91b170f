/* msgraphctl link: make an invitation and print it. */

#include "cli.h"

#include <stdio.h>
#include <unistd.h>

/* how often --wait looks */
#define LINK_POLL_USECS 500000

static bool link_is_done(const struct cli *cli)
{
	struct broker_answer answer;
	bool done;

	cli_request(cli, "status", &answer);
	done = answer.status == BROKER_OK;
	broker_answer_deinit(&answer);
	return done;
}

int cmd_link(const struct cli *cli)
{
	struct broker_answer answer;

	cli_request(cli, "link", &answer);
	if (answer.status == BROKER_OK && answer.url == NULL) {
		/* a registration that needs no sign-in */
		printf("%s\n", answer.message);
		broker_answer_deinit(&answer);
		return 0;
	}
	if (answer.status != BROKER_OK) {
		int ret = cli_fail(&answer);

		broker_answer_deinit(&answer);
		return ret;
	}
	printf("%s\n", answer.url);
	(void)fflush(stdout);
	broker_answer_deinit(&answer);
	while (cli->wait && !link_is_done(cli))
		(void)usleep(LINK_POLL_USECS);
	return 0;
}
