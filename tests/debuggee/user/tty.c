/* tty: asks the person at its terminal for names and greets them, until the name is "nobody". */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void greet(const char *name)
{
	printf("Hello, %s.\n", name);
}

int main(void)
{
	char name[40];
	for (;;) {
		printf("%s, your name? ", tcgetpgrp(0) == getpgrp() ? "In front" : "Behind");
		fflush(stdout);
		if (!fgets(name, sizeof name, stdin))
			return 1;
		name[strcspn(name, "\n")] = 0;
		if (!strcmp(name, "nobody"))
			return 0;
		greet(name);
	}
}
