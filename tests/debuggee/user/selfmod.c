/* selfmod: calls a function in a page that it writes itself, then writes another over it, in its
 * first byte and in its second instruction, and calls again. Prints what each returned. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef int function(void);

/* The debugger finds the page by this. */
unsigned char *volatile page;

__attribute__((noinline)) void written(void)
{
	__asm__ volatile("" ::: "memory");
}

int main(void)
{
	static const unsigned char one[] = {0xb8, 1, 0, 0, 0, 0xc3}; /* mov eax, 1; ret */
	static const unsigned char two[] = {0x6a, 2, 0x58, 0xc3};    /* push 2; pop rax; ret */
	page = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memcpy(page, one, sizeof one);
	written();
	int a = ((function *)page)();
	page[1] = 3; /* an operand behind the first byte */
	int b = ((function *)page)();
	memcpy(page, two, sizeof two);
	written();
	int c = ((function *)page)();
	printf("%d %d %d\n", a, b, c);
	return 0;
}
