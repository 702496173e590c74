/*
 * options: the command line, with the names that KD and CDB document. An unknown option is an error
 * that names it.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: ringside [options]\n"
	"\n"
	"Target\n"
	"  -k com:pipe,port=PATH[,reconnect][,resets=N]   kernel over a unix socket (QEMU, "
	"libvirt)\n"
	"  -k com:port=/dev/ttyS0,baud=115200             kernel over a serial line or pty\n"
	"  -k com:ipport=PORT,port=HOST                   kernel over TCP\n"
	"  -k                                             (last) taken from _NT_DEBUG_PORT, "
	"_NT_DEBUG_BAUD_RATE\n"
	"  -kl, -kx OPTIONS                               local kernel, EXDI: not supported yet\n"
	"  -z IMAGE                                       a PE image by itself: symbols, types, "
	"code\n"
	"  -b, -bonc                                      break in as soon as there is contact\n"
	"  -d                                             break at the first module load after a "
	"reboot\n"
	"\n"
	"Commands and files\n"
	"  -c \"COMMANDS\"      run at the first prompt\n"
	"  -cf FILE           script to run at the first prompt (default ./ntsd.ini)\n"
	"  -cfr FILE          the same, and again after each restart of the target\n"
	"  -y PATH            symbol path (default: _NT_SYMBOL_PATH)\n"
	"  -i PATH            executable image path\n"
	"  -srcpath PATH      source path\n"
	"  -logo FILE         log to FILE; -loga FILE appends\n"
	"  -W FILE            workspace: loaded now, saved at the end\n"
	"\n"
	"Behaviour\n"
	"  -lines             source lines on        -n        noisy symbol loading\n"
	"  -ee masm|c++       default evaluator      -s        no lazy symbol loading\n"
	"  -x, -x{e|d|n|i} EX event filters (sxe ...) -g -G    no initial, no final break\n"
	"  -v                 verbose                -kqm      quiet mode\n"
	"  -sins              ignore symbol path variables\n"
	"  -version           print the version      -?        this text\n"
	"  --doctor [-k ...]  say what on this machine is ready\n"
	"\n"
	"At the prompt: .help lists commands, .hh COMMAND explains one, q ends the session.\n";

void options_help(FILE *to)
{
	fputs(usage, to);
}

static const char *join(const char *a, const char *b)
{
	size_t n = strlen(a) + strlen(b) + 1;
	char *p = malloc(n); /* as long as the process: a handful of options */
	if (!p)
		abort();
	snprintf(p, n, "%s%s", a, b);
	return p;
}

static bool push(const char **list, size_t *n, const char *text)
{
	if (*n == CLI_COMMANDS_MAX) {
		fprintf(stderr, "ringside: too many options that run commands (at most %d)\n",
			CLI_COMMANDS_MAX);
		return false;
	}
	list[(*n)++] = text;
	return true;
}

/* Options that take a value and become a command. */
static const struct {
	const char *option, *command;
	bool before;
} as_command[] = {
	{"-c", "", false},
	{"-cf", "$$<", false},
	{"-i", ".exepath ", true},
	{"-srcpath", ".srcpath ", true},
	{"-logo", ".logopen ", true},
	{"-loga", ".logappend ", true},
	{"-ee", ".expr /s ", true},
	{"-xe", "sxe ", true},
	{"-xd", "sxd ", true},
	{"-xn", "sxn ", true},
	{"-xi", "sxi ", true},
	{"-pt", NULL, true},
};

static const struct {
	const char *option, *command;
} flag_command[] = {
	{"-lines", ".lines -e"},
	{"-n", "!sym noisy"},
	{"-s", ".symopt- 4"},
	{"-x", "sxd av"},
	{"-kqm", "sqe"},
	{"-g", "sxi ibp"},
	{"-G", "sxd epr"},
};

/* 1: taken, 0: not one of these, -1: error. */
static int parse_command(int argc, char **argv, int *i, cli_options *o)
{
	for (size_t k = 0; k < sizeof as_command / sizeof as_command[0]; k++) {
		if (strcmp(argv[*i], as_command[k].option))
			continue;
		if (*i + 1 >= argc) {
			fprintf(stderr, "ringside: %s needs a value\n", argv[*i]);
			return -1;
		}
		const char *value = argv[++*i];
		if (!as_command[k].command)
			return 1; /* -pt: kernel targets are waited for without limit */
		const char *text = join(as_command[k].command, value);
		bool ok = as_command[k].before ? push(o->before, &o->n_before, text)
					       : push(o->commands, &o->n_commands, text);
		return ok ? 1 : -1;
	}
	for (size_t k = 0; k < sizeof flag_command / sizeof flag_command[0]; k++)
		if (!strcmp(argv[*i], flag_command[k].option))
			return push(o->before, &o->n_before, flag_command[k].command) ? 1 : -1;
	return 0;
}

static bool value(int argc, char **argv, int *i, const char **ret)
{
	if (*i + 1 >= argc) {
		fprintf(stderr, "ringside: %s needs a value\n", argv[*i]);
		return false;
	}
	*ret = argv[++*i];
	return true;
}

bool options_parse(int argc, char **argv, cli_options *o)
{
	*o = (cli_options){0};
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		bool ok = true;
		int r = parse_command(argc, argv, &i, o);
		if (r < 0)
			return false;
		if (r > 0)
			continue;
		if (!strcmp(a, "-k")) {
			o->have_k = true;
			if (i + 1 < argc)
				ok = value(argc, argv, &i, &o->connect);
		} else if (!strcmp(a, "-kl")) {
			o->local = true;
		} else if (!strcmp(a, "-kx")) {
			ok = value(argc, argv, &i, &o->exdi);
		} else if (!strcmp(a, "-z")) {
			ok = value(argc, argv, &i, &o->image);
		} else if (!strcmp(a, "-y")) {
			ok = value(argc, argv, &i, &o->symbols);
		} else if (!strcmp(a, "-W")) {
			ok = value(argc, argv, &i, &o->workspace);
		} else if (!strcmp(a, "-cfr")) {
			ok = value(argc, argv, &i, &o->restart_script);
		} else if (!strcmp(a, "-b") || !strcmp(a, "-bonc")) {
			o->initial_break = true;
		} else if (!strcmp(a, "-d")) {
			o->break_on_load = true;
		} else if (!strcmp(a, "-v")) {
			o->verbose = true;
		} else if (!strcmp(a, "-sins")) {
			unsetenv("_NT_SYMBOL_PATH");
			unsetenv("_NT_ALT_SYMBOL_PATH");
		} else if (!strcmp(a, "-version") || !strcmp(a, "--version")) {
			o->show_version = true;
		} else if (!strcmp(a, "-?") || !strcmp(a, "-h") || !strcmp(a, "--help")) {
			o->show_help = true;
		} else if (!strcmp(a, "--doctor")) {
			o->doctor = true;
		} else {
			fprintf(stderr, "ringside: unknown option '%s'; -? lists them\n", a);
			return false;
		}
		if (!ok)
			return false;
	}
	int targets = o->have_k + o->local + (o->exdi != NULL) + (o->image != NULL);
	if (targets > 1) {
		fprintf(stderr, "ringside: -k, -kl, -kx and -z exclude each other\n");
		return false;
	}
	return true;
}
