/*
 * hits: attaches to a kernel, breaks in, sets a breakpoint by API and prints the first hits.
 *
 *   hits "com:pipe,port=/tmp/kd,reconnect" nt!NtWriteFile 5
 *
 * Built with: cc hits.c -lringside
 */
#include <ringside.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct counter {
	rs_session *session;
	unsigned hits, wanted;
} counter;

/* Called while the target is stopped; the vote says how it goes on. */
static uint32_t on_breakpoint(void *u, rs_breakpoint *bp, uint32_t id)
{
	counter *c = u;
	uint64_t ip = 0, process = 0, displacement = 0;
	char name[256] = "?";

	(void)bp;
	rs_get_instruction_offset(c->session, &ip);
	rs_get_implicit_process_data_offset(c->session, &process);
	rs_get_name_by_offset(c->session, ip, name, sizeof name, NULL, &displacement);
	printf("hit %u of breakpoint %u: %s+0x%llx in process %llx\n", ++c->hits, id, name,
		(unsigned long long)displacement, (unsigned long long)process);
	return c->hits < c->wanted ? RS_STATUS_GO : RS_STATUS_BREAK;
}

static int fail(rs_session *s, const char *what, rs_result r)
{
	fprintf(stderr, "%s: %s (%08x)\n", what, rs_error_text(s), (unsigned)r);
	rs_destroy(s);
	return 1;
}

int main(int argc, char **argv)
{
	counter c = {0};
	rs_session *s;
	rs_breakpoint *bp;
	rs_result r;

	if (argc < 4) {
		fprintf(stderr, "usage: hits CONNECTION SYMBOL COUNT [SYMBOLPATH]\n");
		return 2;
	}
	rs_create(&s);
	c.session = s;
	c.wanted = (unsigned)atoi(argv[3]);
	if (argc > 4)
		rs_set_symbol_path(s, argv[4]);
	rs_set_event_callbacks(s, &(rs_event_callbacks){.breakpoint = on_breakpoint}, &c);
	rs_add_engine_options(s, RS_ENGOPT_INITIAL_BREAK);
	r = rs_attach_kernel(s, RS_ATTACH_KERNEL_CONNECTION, argv[1]);
	if (r < 0)
		return fail(s, "attach", r);
	r = rs_wait_for_event(s, 0, RS_INFINITE); /* the attach is complete only now */
	if (r != RS_S_OK)
		return fail(s, "first event", r);

	r = rs_add_breakpoint(s, RS_BREAKPOINT_CODE, RS_ANY_ID, &bp);
	if (r == RS_S_OK)
		r = rs_breakpoint_set_offset_expression(s, bp, argv[2]);
	if (r == RS_S_OK)
		r = rs_breakpoint_add_flags(s, bp, RS_BREAKPOINT_ENABLED);
	if (r != RS_S_OK)
		return fail(s, "breakpoint", r);
	r = rs_set_execution_status(s, RS_STATUS_GO);
	if (r == RS_S_OK)
		r = rs_wait_for_event(s, 0, RS_INFINITE);
	if (r != RS_S_OK)
		return fail(s, "running", r);
	printf("%u hits\n", c.hits);
	rs_remove_breakpoint(s, bp);
	rs_destroy(s); /* breakpoints come out, the target runs on */
	return c.hits == c.wanted ? 0 : 1;
}
