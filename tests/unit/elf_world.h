/*
 * elf_world: what the tests of ELF and DWARF share: programs of tests/debuggee/dwarf, and one that
 * runs, stopped by ptrace, as the store's memory. Include behind sym_world.h.
 */
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <signal.h>

enum { SPACE = 77 };

HELPER char *program_path(const char *name)
{
	return arena_printf(
		&world, "%s/tests/debuggee/dwarf/programs/%s", getenv("RS_BUILD_ROOT"), name);
}

HELPER bool program_there(const char *name)
{
	return sys_is_file(program_path(name));
}

HELPER char *program(const char *name)
{
	if (!program_there(name))
		skip();
	return program_path(name);
}

/* ---- a module that is only a file ---- */

/* Nothing is in its memory. */
HELPER sym_store *file_store(said *x)
{
	sym_store *s = new_store(x);
	sym_scope_set(s, SPACE);
	return s;
}

/* ---- one that runs ---- */

typedef struct running {
	pid_t pid;
	said x;
	sym_store *s;
	x64_regs regs;
	mem_reader mem;
} running;

HELPER err run_mem(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	running *r = u;
	struct iovec to = {p, n}, from = {(void *)(uintptr_t)addr, n};
	ssize_t k = process_vm_readv(r->pid, &to, 1, &from, 1, 0);
	if (k <= 0)
		return ERR_FAULT;
	*n_ret = (size_t)k;
	return ERR_OK;
}

HELPER err run_read(void *u, sym_space space, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return run_mem(u, addr, p, n, n_ret);
}

HELPER void run_note(void *u, bool noisy, str line)
{
	on_note(&((running *)u)->x, noisy, line);
}

/* The lowest mapping of each file is its module's base. */
HELPER void add_modules(running *r)
{
	FILE *f = fopen(arena_printf(&world, "/proc/%d/maps", r->pid), "r");
	char line[4096], last[4096] = "";
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		unsigned long lo, hi, off;
		char path[3000] = "";
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %2999s", &lo, &hi, &off, path) < 3)
			continue;
		if ((path[0] != '/' && strcmp(path, "[vdso]") != 0) || !strcmp(path, last))
			continue;
		strcpy(last, path);
		sym_mod_add(r->s, SPACE, lo, 0, 0, 0, (str){0}, str_of(path));
	}
	fclose(f);
}

/* Runs path with an argument until it stops itself. */
HELPER void run_start(running *r, char *path)
{
	*r = (running){0};
	r->pid = fork();
	if (!r->pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(path, path, "stop", (char *)NULL);
		_exit(127);
	}
	int st;
	bool stopped = false;
	assert_int_equal(waitpid(r->pid, &st, 0), r->pid);
	if (!WIFSTOPPED(st)) {
		print_message("no ptrace here\n");
		skip();
	}
	for (int i = 0; i < 10 && !stopped; i++) {
		int sig = WSTOPSIG(st);
		ptrace(PTRACE_CONT, r->pid, 0, i && sig == SIGUSR1 ? sig : 0);
		assert_int_equal(waitpid(r->pid, &st, 0), r->pid);
		assert_true(WIFSTOPPED(st));
		stopped = WSTOPSIG(st) == SIGSTOP;
	}
	assert_true(stopped);
	struct user_regs_struct u;
	assert_int_equal(ptrace(PTRACE_GETREGS, r->pid, 0, &u), 0);
	const uint64_t gpr[X64_NGPR] = {u.rax, u.rcx, u.rdx, u.rbx, u.rsp, u.rbp, u.rsi, u.rdi,
		u.r8, u.r9, u.r10, u.r11, u.r12, u.r13, u.r14, u.r15};
	memcpy(r->regs.gpr, gpr, sizeof gpr);
	r->regs.rip = u.rip;
	r->regs.fs_base = u.fs_base;
	r->regs.gs_base = u.gs_base;
	r->regs.valid = X64_SET_GENERAL | X64_SET_BASES;
	r->mem = (mem_reader){r, run_mem};
	buf_init(&r->x.notes, 0);
	sym_host h = {r, run_read, run_note, NULL, NULL, NULL, NULL};
	r->s = sym_store_create(&h);
	sym_scope_set(r->s, SPACE);
	add_modules(r);
}

HELPER void run_end(running *r)
{
	sym_store_destroy(r->s);
	buf_deinit(&r->x.notes);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
}
