/* dlloop LIBRARY N: loads it, calls its function, unloads it, N times. Prints the sum. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	long sum = 0;
	for (long i = 0; argc > 2 && i < atol(argv[2]); i++) {
		void *lib = dlopen(argv[1], RTLD_NOW);
		long (*fn)(long) = lib ? (long (*)(long))dlsym(lib, "tiny") : NULL;
		if (!fn) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		sum += fn(i);
		dlclose(lib);
	}
	printf("%ld\n", sum);
	return 0;
}
