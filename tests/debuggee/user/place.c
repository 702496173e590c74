/* place [CODE]: prints its arguments, the last part of its directory, what RS_PLACE says, and a line
 * that it reads; ends with CODE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char dir[4096], line[80] = "";
	const char *there = getcwd(dir, sizeof dir) ? strrchr(dir, '/') : NULL, *env = getenv("RS_PLACE");
	for (int i = 1; i < argc; i++)
		printf("argument %d: '%s'\n", i, argv[i]);
	printf("directory: %s\n", there ? there : "none");
	printf("environment: %s\n", env ? env : "none");
	fflush(stdout);
	if (argc > 2 && fgets(line, sizeof line, stdin))
		printf("read: %s", line);
	return argc > 1 ? atoi(argv[1]) : 0;
}
