/*
 * fakekernel: the guest's debugger stub around a toy machine, on a socket or terminal. Two programs
 * are built from it: fakekernel-a and fakekernel-b, which answer the optional requests the other
 * way round.
 *
 * Prints "ready NAME" when it can be connected to, and on SIGTERM or SIGINT one line of counters.
 */
#include "machine.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int stopping;

static void on_signal(int sig)
{
	(void)sig;
	/* The stub waits for ever in a stop, as a kernel does; the second signal, or an alarm, ends
	 * that. */
	if (stopping++) {
		machine_print_state();
		fflush(stdout);
		_exit(0);
	}
	signal(SIGALRM, on_signal);
	ualarm(300000, 0);
}

static void usage(void)
{
	fputs("fakekernel-a|-b [options] CHANNEL    (unix:PATH unixto:PATH tcp:PORT tcpto:PORT "
	      "pty:)\n"
	      "  --processors N     1..8, default 2\n"
	      "  --seed N           where the kernel lands\n"
	      "  --wait-break       run until a break-in (default)\n"
	      "  --stopped          boot into a breakpoint\n"
	      "  --mid-packet       a debugger died in the middle of a packet\n"
	      "  --boot-log         plain text first\n"
	      "  --mute             no KD on this line\n"
	      "  --instructions N   per processor and tick (1 ms), default 60\n"
	      "  --reboot-after N --print-every N --churn-every N --prompt-after N --fault-after "
	      "N\n"
	      "  --trace-every N    ticks\n"
	      "  --cold-after N     rounds before process 0 touches its paged-out page\n"
	      "  --command-after N --command TEXT\n"
	      "  --file PATH        ask the debugger for this driver\n",
		stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"processors", 1, NULL, 'p'},
		{"seed", 1, NULL, 's'}, {"wait-break", 0, NULL, 'w'}, {"stopped", 0, NULL, 'S'},
		{"mid-packet", 0, NULL, 'm'}, {"boot-log", 0, NULL, 'l'}, {"mute", 0, NULL, 'M'},
		{"instructions", 1, NULL, 'i'}, {"reboot-after", 1, NULL, 'r'},
		{"print-every", 1, NULL, 'P'}, {"churn-every", 1, NULL, 'c'},
		{"prompt-after", 1, NULL, 'q'}, {"fault-after", 1, NULL, 'f'},
		{"trace-every", 1, NULL, 't'}, {"cold-after", 1, NULL, 'C'},
		{"command-after", 1, NULL, 'k'}, {"command", 1, NULL, 'K'}, {"file", 1, NULL, 'F'},
		{0}};
	machine_options o = {.processors = 2, .instructions = 60, .command = "r"};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 0) : 0;
		switch (c) {
		case 'p':
			o.processors = n;
			break;
		case 's':
			o.seed = n;
			break;
		case 'w':
			o.stopped = false;
			break;
		case 'S':
			o.stopped = true;
			break;
		case 'm':
			o.mid_packet = true;
			break;
		case 'l':
			o.boot_log = true;
			break;
		case 'M':
			o.mute = true;
			break;
		case 'i':
			o.instructions = n;
			break;
		case 'r':
			o.reboot_after = n;
			break;
		case 'P':
			o.print_every = n;
			break;
		case 'c':
			o.churn_every = n;
			break;
		case 'q':
			o.prompt_after = n;
			break;
		case 'f':
			o.fault_after = n;
			break;
		case 't':
			o.trace_every = n;
			break;
		case 'C':
			o.cold_after = n;
			break;
		case 'k':
			o.command_after = n;
			break;
		case 'K':
			o.command = optarg;
			break;
		case 'F':
			o.file = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || o.processors < 1 || o.processors > MACHINE_CPUS_MAX ||
		!o.instructions)
		usage();
	static channel line;
	char name[128];
	if (!channel_open(&line, argv[optind], name, sizeof(name)))
		return 1;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	printf("ready %s\n", name);
	fflush(stdout);
	machine_init(&o, &line);
	machine_run(&stopping);
	machine_print_state();
	channel_close(&line);
	return 0;
}
