/*
 * options: the command line, with the names that KD and CDB document. An unknown option is an error
 * that names it.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: ringside [options] [PROGRAM [ARGUMENT ...]]\n"
	"\n"
	"Target\n"
	"  -k com:pipe,port=PATH[,reconnect][,resets=N]   kernel over a unix socket (QEMU, "
	"libvirt)\n"
	"  -k com:port=/dev/ttyS0,baud=115200             kernel over a serial line or pty\n"
	"  -k com:ipport=PORT,port=HOST                   kernel over TCP\n"
	"  -k                                             (last) taken from _NT_DEBUG_PORT, "
	"_NT_DEBUG_BAUD_RATE\n"
	"  -kl, -kx OPTIONS                               local kernel, EXDI: not supported yet\n"
	"  PROGRAM ARGUMENT ...                           a program to start, the last words\n"
	"  -p PID, -pn NAME                               a process to attach to; with -pv only to "
	"look\n"
	"  -o                                             debug the program's children, too\n"
	"  -z FILE                                        an ELF core (a process that was), or a "
	"PE or\n"
	"                                                 ELF image by itself: symbols, types, "
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
	"  -logo FILE         log to FILE; -loga FILE appends; -logou, -logau in UTF-16\n"
	"  -W FILE            workspace: loaded now, saved at the end\n"
	"\n"
	"Behaviour\n"
	"  -lines             source lines on        -n        noisy symbol loading\n"
	"  -ee masm|c++       default evaluator      -s        no lazy symbol loading\n"
	"  -x, -x{e|d|n|i} EX event filters (sxe ...) -g -G    no initial, no final break\n"
	"  -v                 verbose                -kqm      quiet mode\n"
	"  -sins              ignore symbol path variables\n"
	"  -sflags NUMBER     symbol options at once (.symopt); -ses -sicv -snc -snul -sup -sdce\n"
	"  -r                 registers at each stop  -noshell  no shell commands\n"
	"  -version           print the version      -?        this text\n"
	"  --doctor [-k ...]  say what on this machine is ready\n"
	"\n"
	"At the prompt: .help lists commands, .hh COMMAND explains one, q ends the session.\n";

void options_help(FILE *to)
{
	fputs(usage, to);
}

/* Three pieces as one text, which is the options' own. */
static const char *join(cli_options *o, const char *a, const char *b, const char *c)
{
	size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
	if (o->n_owned == sizeof o->owned / sizeof o->owned[0])
		return NULL; /* push says that there are too many */
	char *p = malloc(n);
	if (!p)
		abort();
	snprintf(p, n, "%s%s%s", a, b, c);
	o->owned[o->n_owned++] = p;
	return p;
}

void options_free(cli_options *o)
{
	while (o->n_owned)
		free(o->owned[--o->n_owned]);
}

static bool push(const char **list, size_t *n, const char *text)
{
	if (*n == CLI_COMMANDS_MAX || !text) {
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
	{"-logou", ".logopen /u ", true},
	{"-logau", ".logappend /u ", true},
	{"-lsrcpath", ".lsrcpath ", true},
	{"-sflags", ".symopt- 0xffffffff; .symopt+ ", true},
	{"-ee", ".expr /s ", true},
	{"-xe", "sxe ", true},
	{"-xd", "sxd ", true},
	{"-xn", "sxn ", true},
	{"-xi", "sxi ", true},
	/* Nothing to do: kernel targets are waited for without limit, the history has no size,
	 * error levels are those of checked builds. */
	{"-pt", NULL, true},
	{"-clines", NULL, true},
	{"-t", NULL, true},
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
	{"-r", ".prompt_allow +reg"},
	{"-noshell", ".noshell"},
	{"-ses", ".symopt+ 0x400"},
	{"-failinc", ".symopt+ 0x400"},
	{"-sicv", ".symopt+ 0x80"},
	{"-snc", ".symopt+ 0x8"},
	{"-snul", ".symopt+ 0x100"},
	{"-sup", ".symopt+ 0x10000"},
	{"-sdce", ".symopt- 0x200"},
};

/* Documented, and about what this version does not have. */
static const char *const absent[] = {
	"-server", "-remote", "-secure", "-noio", "-wake", "-iu", "-QR", "-zp", "-premote", "-m"};

static bool is_absent(const char *a)
{
	for (size_t k = 0; k < sizeof absent / sizeof absent[0]; k++)
		if (!strcmp(a, absent[k]))
			return true;
	return false;
}

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
			return 1;
		/* -sflags takes a decimal number if it has no 0x. */
		bool decimal = !strcmp(as_command[k].option, "-sflags") && value[0] != '0';
		const char *text = join(o, as_command[k].command, decimal ? "0n" : "", value);
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
		} else if (!strcmp(a, "-p")) {
			char *end;
			const char *pid = NULL;
			ok = value(argc, argv, &i, &pid);
			o->attach_pid = ok ? strtoull(pid, &end, 0) : 0;
			if (ok && (*end || !o->attach_pid)) {
				fprintf(stderr, "ringside: -p needs a process id, not '%s'\n", pid);
				return false;
			}
		} else if (!strcmp(a, "-pn")) {
			ok = value(argc, argv, &i, &o->attach_name);
		} else if (!strcmp(a, "-pv")) {
			o->noninvasive = true;
		} else if (!strcmp(a, "-o")) {
			o->children = true;
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
		} else if (is_absent(a)) {
			fprintf(stderr, "ringside: %s is not available in this version\n", a);
			return false;
		} else if (a[0] != '-' || !strcmp(a, "--")) {
			/* What follows belongs to the program. */
			i += a[0] == '-';
			o->program = argv + i;
			o->program_argc = argc - i;
			break;
		} else {
			fprintf(stderr, "ringside: unknown option '%s'; -? lists them\n", a);
			return false;
		}
		if (!ok)
			return false;
	}
	int targets = o->have_k + o->local + (o->exdi != NULL) + (o->image != NULL) +
		      (o->program_argc > 0) + (o->attach_pid != 0) + (o->attach_name != NULL);
	if (targets > 1) {
		fprintf(stderr,
			"ringside: -k, -kl, -kx, -z, -p, -pn and a program exclude each other\n");
		return false;
	}
	return true;
}
