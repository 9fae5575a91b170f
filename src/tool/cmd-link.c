/* msgraphctl link: make an invitation and print it, or show a code. */

#include "cli.h"

#include <stdio.h>
#include <unistd.h>

/* how often --wait looks */
#define LINK_POLL_USECS 500000
/* how often --device asks the daemon, which knows when to ask the login host */
#define DEVICE_POLL_USECS 1000000

static bool link_is_done(const struct cli *cli)
{
	struct broker_answer answer;
	bool done;

	cli_request(cli, "status", &answer);
	done = answer.status == BROKER_OK;
	broker_answer_deinit(&answer);
	return done;
}

/* Until the code has been entered on another device. */
static int link_by_device(const struct cli *cli)
{
	struct broker_answer answer;
	int ret = 0;

	cli_request(cli, "device", &answer);
	if (answer.status == BROKER_PENDING) {
		printf("Open %s in a browser, on any device,\nenter the code "
		       "%s\nand sign in as %s.\n", answer.url,
		       answer.user_code, cli->address);
		(void)fflush(stdout);
	}
	while (answer.status == BROKER_PENDING) {
		broker_answer_deinit(&answer);
		(void)usleep(DEVICE_POLL_USECS);
		cli_request(cli, "device-poll", &answer);
	}
	if (answer.status == BROKER_OK)
		printf("%s is linked\n", cli->address);
	else
		ret = cli_fail(&answer);
	broker_answer_deinit(&answer);
	return ret;
}

int cmd_link(const struct cli *cli)
{
	struct broker_answer answer;

	if (cli->device)
		return link_by_device(cli);
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
