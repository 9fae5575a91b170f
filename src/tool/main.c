/* msgraphctl: asks msgraph-oauthd over its socket. */

#include "cli.h"
#include "broker-proto.h"
#include "oauthd-config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a token may need a refresh at the login host */
#define CLI_TIMEOUT_MSECS 30000
#define CLI_DEFAULT_SOCKET "/run/msgraph/broker.sock"

static const struct {
	const char *name;
	int (*run)(const struct cli *cli);
	bool needs_address, takes_address;
} commands[] = {
	{ "link", cmd_link, true, true },
	{ "status", cmd_status, false, true },
	{ "unlink", cmd_unlink, true, true },
	{ "password", cmd_password, true, true },
	{ "probe", cmd_probe, true, true },
	{ "rekey", cmd_rekey, false, false },
};

void cli_request(const struct cli *cli, const char *op,
		 struct broker_answer *answer_r)
{
	struct broker_request req = {
		.op = (char *)op, .account = (char *)cli->address
	};

	broker_client_request(cli->socket_path, &req, CLI_TIMEOUT_MSECS,
			      answer_r);
}

int cli_fail(const struct broker_answer *answer)
{
	fprintf(stderr, "msgraphctl: %s\n", answer->message != NULL ?
		answer->message : broker_status_name(answer->status));
	return EXIT_FAILURE;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: msgraphctl [-c FILE | --socket PATH] COMMAND\n"
		"  link ADDRESS [--wait]  print a link that links the account\n"
		"  link ADDRESS --device  show a code for another device, and wait\n"
		"  status [ADDRESS]       state of one or all accounts\n"
		"  probe ADDRESS [--json] check everything up to reading a message\n"
		"  password ADDRESS [--revoke]\n"
		"                         make, print or take back its password\n"
		"  rekey                  seal all tokens with the newest key\n"
		"  unlink ADDRESS         forget the account and its tokens\n");
}

static int run_command(struct cli *cli, int argc, char *argv[])
{
	size_t i, count = sizeof(commands) / sizeof(commands[0]);

	for (i = 0; i < count && argc > 0; i++) {
		if (strcmp(commands[i].name, argv[0]) == 0)
			break;
	}
	if (argc == 0 || i == count || argc > 2 ||
	    (argc < 2 && commands[i].needs_address)) {
		usage(stderr);
		return CLI_EXIT_USAGE;
	}
	cli->address = argv[1];
	return commands[i].run(cli);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "wait", no_argument, NULL, 'w' },
		{ "device", no_argument, NULL, 'd' },
		{ "revoke", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	struct oauthd_config config = { 0 };
	struct cli cli = { .socket_path = CLI_DEFAULT_SOCKET };
	const char *socket_path = NULL;
	const char *config_path = NULL;
	bool is_probe;
	char *error = NULL;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			config_path = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'd':
			cli.device = true;
			break;
		case 'w':
			cli.wait = true;
			break;
		case 'r':
			cli.revoke = true;
			break;
		case 'j':
			cli.json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("msgraphctl " MSGRAPH_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return CLI_EXIT_USAGE;
		}
	}
	/* a broken configuration is for probe to tell */
	is_probe = optind < argc && strcmp(argv[optind], "probe") == 0;
	if (config_path == NULL && socket_path == NULL && is_probe &&
	    access(OAUTHD_DEFAULT_CONFIG, F_OK) == 0)
		config_path = OAUTHD_DEFAULT_CONFIG;
	if (config_path != NULL) {
		if (oauthd_config_read_settings(config_path, &config,
						&error) == 0) {
			cli.config = &config;
			cli.socket_path = config.broker;
		} else if (is_probe) {
			cli.config_error = error;
		} else {
			fprintf(stderr, "msgraphctl: %s\n", error);
			free(error);
			return EXIT_FAILURE;
		}
	}
	if (socket_path != NULL)
		cli.socket_path = socket_path;
	ret = run_command(&cli, argc - optind, argv + optind);
	oauthd_config_deinit(&config);
	free(error);
	return ret;
}
