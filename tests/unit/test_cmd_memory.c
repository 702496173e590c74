/* The memory commands: what d, e, f, m, c, s and the file commands print and change. */
#include "cmd_rig.h"

#include <stdlib.h>
#include <unistd.h>

#define DATA 0xfffff80000010000ull
#define PHYS 0x7000ull

/* 256 bytes 00..ff at DATA, text at DATA+0x200, an unreadable page behind DATA's. */
static int setup(void **state)
{
	rig *r = rig_begin(state);
	uint8_t bytes[256];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	fake_mem(r->f, as_current(), DATA, bytes, sizeof bytes);
	fake_mem(r->f, as_current(), DATA + 0x200, "Hello, world\0", 13);
	fake_mem(r->f, as_current(), DATA + 0x220, "H\0i\0!\0\0", 8);
	fake_mem(r->f, as_phys(), PHYS, bytes, sizeof bytes);
	fake_regs(r->f, 0)->gpr[X64_RSP] = DATA + 0x800;
	rig_stop_at(r, DATA + 0x100, 1);
	return 0;
}

static uint64_t mem(rig *r, uint64_t addr, size_t size)
{
	uint64_t v = 0;
	assert_int_equal(eng_read_uint(r->e, addr, size, &v, NULL), ERR_OK);
	return v;
}

static void numbers(void **state)
{
	rig *r = *state;
	expect(r, "db fffff80000010040 L14",
		"fffff800`00010040  40 41 42 43 44 45 46 47-48 49 4a 4b 4c 4d 4e 4f  "
		"@ABCDEFGHIJKLMNO\n"
		"fffff800`00010050  50 51 52 53                                      PQRS\n");
	/* goes on where it ended; d repeats */
	expect(r, "db L2",
		"fffff800`00010054  54 55                                            TU\n");
	expect(r, "d L2",
		"fffff800`00010056  56 57                                            VW\n");
	expect(r, "dd fffff80000010000 L5",
		"fffff800`00010000  03020100 07060504 0b0a0908 0f0e0d0c\n"
		"fffff800`00010010  13121110\n");
	expect(r, "dc fffff80000010040 L4",
		"fffff800`00010040  43424140 47464544 4b4a4948 4f4e4d4c  @ABCDEFGHIJKLMNO\n");
	expect(r, "dq fffff80000010000 L3",
		"fffff800`00010000  07060504`03020100 0f0e0d0c`0b0a0908\n"
		"fffff800`00010010  17161514`13121110\n");
	expect(r, "dp fffff80000010000 L1", "fffff800`00010000  07060504`03020100\n");
	expect(r, "dw fffff80000010000 L9",
		"fffff800`00010000  0100 0302 0504 0706 0908 0b0a 0d0c 0f0e\n"
		"fffff800`00010010  1110\n");
	expect(r, "dW fffff80000010040 L2",
		"fffff800`00010040  4140 4342                                @ABC\n");
	expect(r, "dd /c 2 fffff80000010000 L3",
		"fffff800`00010000  03020100 07060504\nfffff800`00010008  0b0a0908\n");
	expect(r, "d L1", "fffff800`0001000c  0f0e0d0c\n");
	expect(r, "dyb fffff80000010080 L3",
		"                   76543210 76543210 76543210 76543210\n"
		"                   -------- -------- -------- --------\n"
		"fffff800`00010080  10000000 10000001 10000010           80 81 82\n");
	expect(r, "dyd fffff80000010080 L1",
		"                    3          2          1          0\n"
		"                   10987654 32109876 54321098 76543210\n"
		"                   -------- -------- -------- --------\n"
		"fffff800`00010080  10000011 10000010 10000001 10000000  83828180\n");
	/* two addresses: the end is inclusive; $p is the last value */
	expect(r, "dd fffff80000010000 fffff80000010007", "fffff800`00010000  03020100 07060504\n");
	HAS(run_line(r, "? @$p"), "07060504");
}

static void default_lengths(void **state)
{
	rig *r = *state;
	static const struct {
		const char *line;
		uint64_t bytes;
	} t[] = {{"db", 128}, {"dc", 128}, {"dd", 128}, {"dq", 128}, {"dp", 128}, {"dw", 128},
		{"dW", 128}, {"dD", 120}, {"df", 64}, {"dyb", 32}, {"dyd", 32}, {"dps", 128},
		{"dds", 128}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char line[64];
		snprintf(line, sizeof line, "%s fffff80000010000", t[i].line);
		run_line(r, line);
		assert_true(r->c->memo.has_next_d);
		if (r->c->memo.next_d != DATA + t[i].bytes)
			fail_msg("%s shows %llu bytes", t[i].line,
				(unsigned long long)(r->c->memo.next_d - DATA));
	}
}

static void starts_at_the_instruction(void **state)
{
	rig *r = *state;
	HAS(run_line(r, "db L1"), "fffff800`00010100  00 ");
}

static void floats(void **state)
{
	rig *r = *state;
	run_line(r, "ef fffff80000010000 1.5 -2; eD fffff80000010010 3.25");
	assert_int_equal(mem(r, DATA, 4), 0x3fc00000);
	assert_int_equal(mem(r, DATA + 4, 4), 0xc0000000);
	expect(r, "df fffff80000010000 L2",
		"fffff800`00010000               1.5               -2\n");
	expect(r, "dD fffff80000010010 L1", "fffff800`00010010                      3.25\n");
	run_line(r, "ef fffff80000010000 1.5e-30");
	expect(r, "df fffff80000010000 L1", "fffff800`00010000          1.5e-030\n");
	HAS(run_line(r, "ef fffff80000010000 abc"), "no floating-point number");
}

static void unreadable(void **state)
{
	rig *r = *state;
	expect(r, "db fffff80000010ffe L4",
		"fffff800`00010ffe  00 00 ?? ??                                      ..??\n");
	expect(r, "dd fffff80000010ffc L2", "fffff800`00010ffc  00000000 ????????\n");
	expect(r, "dd fffff80000010ffe L1", "fffff800`00010ffe  ????????\n");
	expect(r, "dq fffff80000011000 L1", "fffff800`00011000  ????????`????????\n");
	expect(r, "dw fffff80000011000 L1", "fffff800`00011000  ????\n");
	expect(r, "dyb fffff80000011000 L1",
		"                   76543210 76543210 76543210 76543210\n"
		"                   -------- -------- -------- --------\n"
		"fffff800`00011000  ????????                             ??\n");
}

static void text(void **state)
{
	rig *r = *state;
	expect(r, "da fffff80000010200", "fffff800`00010200  \"Hello, world\"\n");
	assert_int_equal(r->c->memo.next_d, DATA + 0x20d);
	expect(r, "da fffff80000010200 L5", "fffff800`00010200  \"Hello\"\n");
	expect(r, "da /c 5 fffff80000010200",
		"fffff800`00010200  \"Hello\"\nfffff800`00010205  \", wor\"\nfffff800`0001020a  "
		"\"ld\"\n");
	expect(r, "du fffff80000010220", "fffff800`00010220  \"Hi!\"\n");
	expect(r, "da fffff80000010300", "fffff800`00010300  \"\"\n");
	expect(r, "da fffff80000010001 L3", "fffff800`00010001  \"...\"\n");
	/* 48 a line; exactly one line is not followed by an empty one */
	char line[96] = "eza fffff80000010400 \"";
	for (int i = 0; i < 48; i++)
		strcat(line, "x");
	strcat(line, "\"");
	run_line(r, line);
	const char *got = run_line(r, "da fffff80000010400");
	assert_int_equal(strlen(got), 19 + 48 + 2 + 1);
	HAS(run_line(r, "da fffff80000011000"), "\"????");
}

static void references(void **state)
{
	rig *r = *state;
	run_line(r, "eq fffff80000010500 fffff80000010200 fffff80000010220 fffff80000010000 0");
	expect(r, "dpa fffff80000010500 L1",
		"fffff800`00010500  fffff800`00010200 \"Hello, world\"\n");
	expect(r, "dqu fffff80000010508 L1", "fffff800`00010508  fffff800`00010220 \"Hi!\"\n");
	expect(r, "dpp fffff80000010510 L2",
		"fffff800`00010510  fffff800`00010000 07060504`03020100\n"
		"fffff800`00010518  00000000`00000000\n");
	expect(r, "dds fffff80000010500 L1", "fffff800`00010500  00010200\n");
	expect(r, "dps /c 2 fffff80000010500 L2",
		"fffff800`00010500  fffff800`00010200 fffff800`00010220\n");
	/* counted strings */
	run_line(r, "ew fffff80000010600 5 6; eq fffff80000010608 fffff80000010200");
	expect(r, "ds fffff80000010600", "fffff800`00010200  \"Hello\"\n");
	expect(r, "ds /c 2 fffff80000010600",
		"fffff800`00010200  \"He\"\nfffff800`00010202  \"ll\"\nfffff800`00010204  \"o\"\n");
	run_line(r, "ew fffff80000010600 4; eq fffff80000010608 fffff80000010220");
	expect(r, "dS fffff80000010600", "fffff800`00010220  \"Hi\"\n");
	/* d repeats them too */
	HAS(run_line(r, "d fffff80000010600"), "\"Hi\"");
}

static void lists(void **state)
{
	rig *r = *state;
	/* head 700 -> 720 -> 740 -> head */
	run_line(r, "eq fffff80000010700 fffff80000010720 fffff80000010740");
	run_line(r, "eq fffff80000010720 fffff80000010740 fffff80000010700 11");
	run_line(r, "eq fffff80000010740 fffff80000010700 fffff80000010720 22");
	expect(r, "dl fffff80000010700",
		"fffff800`00010700  fffff800`00010720 fffff800`00010740\n"
		"fffff800`00010720  fffff800`00010740 fffff800`00010700\n"
		"fffff800`00010740  fffff800`00010700 fffff800`00010720\n");
	expect(r, "dlb fffff80000010700 2",
		"fffff800`00010700  fffff800`00010720 fffff800`00010740\n"
		"fffff800`00010740  fffff800`00010700 fffff800`00010720\n");
	expect(r, "dl fffff80000010720 1 3",
		"fffff800`00010720  fffff800`00010740 fffff800`00010700\n"
		"fffff800`00010730  00000000`00000011\n");
	/* damaged: 740 points to 720, and into nowhere */
	run_line(r, "eq fffff80000010740 fffff80000010720");
	HAS(run_line(r, "dl fffff80000010700"), "the list loops back to fffff800`00010720");
	run_line(r, "eq fffff80000010740 fffff80000020000");
	HAS(run_line(r, "dl fffff80000010700"), "Memory access error at 'fffff800`00020000'");
	run_line(r, "eq fffff80000010740 0");
	expect(r, "dl fffff80000010740",
		"fffff800`00010740  00000000`00000000 fffff800`00010720\n");
	HAS(run_line(r, "dl"), "needs the address");
}

static void entering(void **state)
{
	rig *r = *state;
	run_line(r, "eb fffff80000010000 'h' 'i' 1 ff, -1");
	expect(r, "db fffff80000010000 L5",
		"fffff800`00010000  68 69 01 ff ff                                   hi...\n");
	run_line(r, "ed fffff80000010010 12345678 'VUTS'");
	assert_int_equal(mem(r, DATA + 0x10, 4), 0x12345678);
	assert_int_equal(mem(r, DATA + 0x14, 1), 'S');
	run_line(r, "e fffff80000010018 7"); /* as the last one: ed */
	assert_int_equal(mem(r, DATA + 0x18, 4), 7);
	HAS(run_line(r, "eb fffff80000010000 100"), "Overflow error");
	HAS(run_line(r, "ew fffff80000010000 1 10000"), "Overflow error");
	assert_int_equal(mem(r, DATA, 2), 0x6968); /* all or nothing */
	run_line(r, "ea fffff80000010020 \"ab\"");
	assert_int_equal(mem(r, DATA + 0x20, 4), 0x23226261);
	run_line(r, "eza fffff80000010020 \"c\\n\"");
	assert_int_equal(mem(r, DATA + 0x20, 4), 0x006e5c63); /* no escapes */
	run_line(r, "ezu fffff80000010028 \"\xc3\xa9!\"");
	assert_int_equal(mem(r, DATA + 0x28, 8), 0x2f2e0000002100e9);
	run_line(r, "eu fffff80000010028 \"A\"");
	assert_int_equal(mem(r, DATA + 0x28, 4), 0x00210041);
	HAS(run_line(r, "ea fffff80000010020 abc"), "double quotes");
	HAS(run_line(r, "eb"), "needs an address");
	HAS(run_line(r, "eb fffff80000011000 1"), "cannot be written");
}

static void entering_by_prompt(void **state)
{
	rig *r = *state;
	static const char *const lines[] = {"aa", " ", "bb cc", "", NULL};
	r->input = lines;
	expect(r, "eb fffff80000010000",
		"fffff800`00010000 00\nInput> fffff800`00010001 01\nInput> fffff800`00010002 02\n"
		"Input> fffff800`00010004 04\nInput> ");
	assert_int_equal(mem(r, DATA, 4), 0xccbb01aa);
	static const char *const one[] = {"5", "", NULL};
	r->input = one;
	expect(r, "eq fffff80000010010",
		"fffff800`00010010 17161514`13121110\nInput> fffff800`00010018 "
		"1f1e1d1c`1b1a1918\nInput> ");
	assert_int_equal(mem(r, DATA + 0x10, 8), 5);
	r->input = NULL;
	HAS(run_line(r, "eb fffff80000010000"), "nobody is there to answer");
}

static void fill_move_compare(void **state)
{
	rig *r = *state;
	expect(r, "f fffff80000010000 L8 'A' 'B' 43", "Filled 0x8 bytes\n");
	assert_int_equal(mem(r, DATA, 8), 0x4241434241434241);
	assert_int_equal(mem(r, DATA + 8, 1), 8);
	expect(r, "f fffff80000010000 fffff80000010001 1 2 3 4", "Filled 0x2 bytes\n");
	assert_int_equal(mem(r, DATA, 4), 0x41430201);
	HAS(run_line(r, "f fffff80000010000 L4"), "needs a pattern");
	HAS(run_line(r, "f fffff80000010000"), "needs a range");
	/* overlapping moves both ways */
	run_line(r, "eb fffff80000010100 1 2 3 4 5 6 7 8");
	run_line(r, "m fffff80000010100 L6 fffff80000010102");
	assert_int_equal(mem(r, DATA + 0x100, 8), 0x0605040302010201);
	run_line(r, "m fffff80000010102 L6 fffff80000010100");
	assert_int_equal(mem(r, DATA + 0x100, 8), 0x0605060504030201);
	expect(r, "c fffff80000010100 L4 fffff80000010100", "");
	expect(r, "c fffff80000010100 L3 fffff80000010101",
		"fffff800`00010100  01 - fffff800`00010101  02\n"
		"fffff800`00010101  02 - fffff800`00010102  03\n"
		"fffff800`00010102  03 - fffff800`00010103  04\n");
	HAS(run_line(r, "m fffff80000010100 L4"), "needs a range and an address");
	HAS(run_line(r, "c fffff80000010ffe L4 fffff80000010000"), "cannot be read");
}

static unsigned fills;

/* As a kernel that does not know the request: the bytes are written then. */
static err fill_refused(
	tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen, diag *d)
{
	fills++;
	return ERR_UNSUPPORTED;
}

static void big_moves(void **state)
{
	rig *r = *state;
	static uint8_t big[0x30000];
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	fake_mem(r->f, as_current(), 0xfffff80001000000, big, sizeof big);
	/* longer than a chunk, overlapping upwards */
	run_line(r, "m fffff80001000000 L20000 fffff80001001001");
	static uint8_t got[0x20000];
	assert_int_equal(eng_read_all(r->e, 0xfffff80001001001, got, sizeof got, NULL), ERR_OK);
	assert_memory_equal(got, big, sizeof got);
	/* Filling that much is the target's own work, if it can. */
	static tgt_ops ops;
	tgt *t = fake_tgt(r->f);
	ops = *t->ops;
	ops.fill = fill_refused;
	t->ops = &ops;
	fills = 0;
	expect(r, "f fffff80001000000 L1ff 44", "Filled 0x1ff bytes\n");
	assert_int_equal(fills, 0);
	expect(r, "f fffff80001000000 L20003 11 22 33", "Filled 0x20003 bytes\n");
	assert_int_equal(fills, 1);
	assert_int_equal(mem(r, 0xfffff80001000000 + 0x1fffe, 4), 0x11332211);
}

static void searching(void **state)
{
	rig *r = *state;
	expect(r, "s fffff80000010000 L100 41 42",
		"fffff800`00010041  41 42 43 44 45 46 47 48-49 4a 4b 4c 4d 4e 4f 50  "
		"ABCDEFGHIJKLMNOP\n");
	expect(r, "s fffff80000010200 L100 'H' 'e'",
		"fffff800`00010200  48 65 6c 6c 6f 2c 20 77-6f 72 6c 64 00 00 00 00  Hello, "
		"world....\n");
	expect(r, "s -a fffff80000010000 L400 \"world\"",
		"fffff800`00010207  77 6f 72 6c 64 00 00 00-00 00 00 00 00 00 00 00  "
		"world...........\n");
	expect(r, "s-u fffff80000010000 L400 \"Hi\"",
		"fffff800`00010220  0048 0069 0021 0000 0000 0000 0000 0000  H.i.!...........\n");
	expect(r, "s -d fffff80000010000 L100 07060504",
		"fffff800`00010004  07060504 0b0a0908 0f0e0d0c 13121110  ................\n");
	/* words only where they are aligned; only whole inside the range */
	expect(r, "s -d fffff80000010000 L100 08070605", "");
	expect(r, "s -w fffff80000010000 L3 0706", "");
	expect(r, "s -w fffff80000010000 L4 0706",
		"fffff800`00010006  0706 0908 0b0a 0d0c 0f0e 1110 1312 1514  ................\n");
	expect(r, "s -q fffff80000010000 L10 0f0e0d0c0b0a0908",
		"fffff800`00010008  0f0e0d0c`0b0a0908 17161514`13121110  ................\n");
	/* overlapping hits */
	run_line(r, "ea fffff80000010300 \"QQQQQ\"");
	expect(r, "s -[1]a fffff80000010000 L400 \"QQQ\"",
		"0xfffff800`00010300\n0xfffff800`00010301\n0xfffff800`00010302\n");
	/* what cannot be read is passed over */
	fake_mem(r->f, as_current(), DATA + 0x2000, "QQQ", 3);
	expect(r, "s -[1]a fffff80000010304 L?2000 \"QQQ\"", "0xfffff800`00012000\n");
	HAS(run_line(r, "s -a fffff80000010000 L400 abc"), "double quotes");
	HAS(run_line(r, "s -[1] fffff80000010000 L400 1"), "type");
	HAS(run_line(r, "s -x fffff80000010000 L400 1"), "type");
	HAS(run_line(r, "s fffff80000010000 1"), "rror");
	HAS(run_line(r, "s fffff80000010000 L10000001 1"), "rror"); /* 256 MB */
	HAS(run_line(r, "s fffff80000010000 L4"), "needs a pattern");
}

/* Many pieces, holes and borders: every hit once, in order. */
static void searching_far(void **state)
{
	rig *r = *state;
	static const uint32_t at[] = {0, 3, 0xffe, 0x1ffd, 0x10ffe, 0x20ffd, 0x30000, 0x5fffa};
	const uint64_t base = 0xfffff80002000000;
	static uint8_t big[0x60000];
	char want[512] = "";
	memset(big, 0, sizeof big);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		memcpy(big + at[i], "nee", 3);
	memcpy(big + 0x40ffe, "nee", 3); /* half of it will be gone */
	fake_mem(r->f, as_current(), base, big, sizeof big);
	fake_unmap(r->f, as_current(), base + 0x41000, 0x1000);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		snprintf(want + strlen(want), sizeof want - strlen(want), "0xfffff800`%08x\n",
			0x02000000 + at[i]);
	expect(r, "s -[1]b fffff80002000000 L5fffd 'n' 65 65", want);
	want[strlen(want) - strlen("0xfffff800`0205fffa\n")] = 0; /* the last one does not fit */
	expect(r, "s -[1]b fffff80002000000 L5fffc 'n' 65 65", want);
	HAS(run_line(r, "f fffff80002000000 L5ffff 1 2 3"), "cannot be written");
	expect(r, "f fffff80002000000 L40000 1 2 3", "Filled 0x40000 bytes\n");
	assert_int_equal(mem(r, base + 0x3fffe, 2), 0x0103);
}

static void searching_strings(void **state)
{
	rig *r = *state;
	expect(r, "s-sa fffff80000010200 L100", "fffff800`00010200  \"Hello, world\"\n");
	expect(r, "s -[l2]su fffff80000010220 L10", "fffff800`00010220  \"Hi!\"\n");
	expect(r, "s -[l4]su fffff80000010220 L10", "");
	expect(r, "s -[1l4]sa fffff80000010200 L100", "0xfffff800`00010200\n");
	expect(r, "s-sa fffff80000010200 L5", "fffff800`00010200  \"Hello\"\n");
	expect(r, "s-sa fffff80000010200 L2", "");
}

static void saved_hits(void **state)
{
	rig *r = *state;
	run_line(r, "eb fffff80000010300 7 1 7 2 7 3");
	expect(r, "s -[1s]b fffff80000010300 L10 7",
		"0xfffff800`00010300\n0xfffff800`00010302\n0xfffff800`00010304\n");
	run_line(r, "eb fffff80000010302 8");
	expect(r, "s -[1r]b 0 L1 7", "0xfffff800`00010300\n0xfffff800`00010304\n");
	HAS(run_line(r, "s -[1sn2]b fffff80000010300 L10 7; s -[1sn1]b fffff80000010300 L10 7"),
		"Overflow error");
	expect(r, "s -[1r]b 0 L1 7", "0xfffff800`00010300\n");
	HAS(run_line(r, "s -[rs]b fffff80000010300 L10 7"), "exclude each other");
	HAS(run_line(r, "s -[n1s]b fffff80000010300 L10 7"), "must be the last");
	HAS(run_line(r, "s -[sn10001]b fffff80000010300 L10 7"), "from 1 to 0x10000");
}

/* A hit in each of two pages, of which one is read-only by the page tables. */
static void searching_writable(void **state)
{
	rig *r = *state;
	uint8_t entry[8];
	const uint64_t tables = 0x100000, va = 0xfffff80000030000;
	fake_mem(r->f, as_current(), va, "needle", 6);
	fake_mem(r->f, as_current(), va + 0x1000, "needle", 6);
	const struct {
		uint64_t at, value;
	} e[] = {{tables + 0x1f0 * 8, tables + 0x1003}, {tables + 0x1000, tables + 0x2003},
		{tables + 0x2000, tables + 0x3003}, {tables + 0x3000 + 0x30 * 8, 0x200001},
		{tables + 0x3000 + 0x31 * 8, 0x201003}};
	for (size_t i = 0; i < ARRAY_LEN(e); i++) {
		put64(entry, e[i].value);
		fake_mem(r->f, as_phys(), e[i].at, entry, 8);
	}
	fake_regs(r->f, 0)->cr3 = tables;
	expect(r, "s -[1]a fffff80000030000 L2000 \"needle\"",
		"0xfffff800`00030000\n0xfffff800`00031000\n");
	expect(r, "s -[1w]a fffff80000030000 L2000 \"needle\"", "0xfffff800`00031000\n");
}

static void physical(void **state)
{
	rig *r = *state;
	expect(r, "db /p 7040 L4",
		"00000000`00007040  40 41 42 43                                      @ABC\n");
	expect(r, "dd /p[uc] 7000 L1", "00000000`00007000  03020100\n");
	expect(r, "!db 7040 L4",
		"#    7040 40 41 42 43                                     @ABC\n");
	expect(r, "!dd [c] 7000 L2", "#    7000 03020100 07060504\n");
	expect(r, "!dc 7040 L4",
		"#    7040 43424140 47464544 4b4a4948 4f4e4d4c @ABCDEFGHIJKLMNO\n");
	expect(r, "!dw -m 7000 L1", "#    7000 0100\n");
	expect(r, "!dw L1", "#    7002 0302\n");
	expect(r, "!dq 7000 L1", "#    7000 07060504`03020100\n");
	run_line(r, "!eb 7000 11 22; !ed [uc] 7004 12345678");
	expect(r, "!dd 7000 L2", "#    7000 03022211 12345678\n");
	run_line(r, "eb /p 7000 33");
	expect(r, "!db 7000 L1", "#    7000 33                                              3\n");
	expect(r, "fp [uc] 7000 L4 1 2", "Filled 0x4 bytes\n");
	expect(r, "!dd 7000 L1", "#    7000 02010201\n");
	HAS(run_line(r, "!dd e9000"), "physical memory read at e9000 failed\n");
	HAS(run_line(r, "db /p /p 7000"), "only one /p");
	HAS(run_line(r, "db /p[xx] 7000"), "[c] [uc] [wc]");
	HAS(run_line(r, "dpa /p 7000 L1"), "02010201");
}

static void files(void **state)
{
	rig *r = *state;
	char dir[] = "/tmp/rs-mem-XXXXXX", line[256], path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a file", dir);
	snprintf(line, sizeof line, ".writemem \"%s\" fffff80000010000 L100", path);
	HAS(run_line(r, line), "Writing 100 bytes");
	run_line(r, "f fffff80000010000 L100 0");
	snprintf(line, sizeof line, ".readmem \"%s\" fffff80000010000 fffff800000100ff", path);
	HAS(run_line(r, line), "Reading 100 bytes");
	assert_int_equal(mem(r, DATA + 0xf8, 8), 0xfffefdfcfbfaf9f8);
	snprintf(line, sizeof line, ".readmem \"%s\" fffff80000010000 L200", path);
	HAS(run_line(r, line), "ends after 0x100 bytes");
	/* nothing half-written is left behind */
	remove(path);
	snprintf(line, sizeof line, ".writemem \"%s\" fffff80000010800 L1000", path);
	HAS(run_line(r, line), "cannot be read");
	assert_int_not_equal(access(path, F_OK), 0);
	HAS(run_line(r, ".readmem /nonexistent/x fffff80000010000 L1"), "opening /nonexistent/x");
	HAS(run_line(r, ".writemem x"), "needs a file and a range");
	rmdir(dir);
}

static void held_memory(void **state)
{
	rig *r = *state;
	HAS(run_line(r, ".holdmem -o"), "No memory is held");
	run_line(r, ".holdmem -a fffff80000010000 L10; .holdmem -a fffff80000010040 L4");
	expect(r, ".holdmem -o",
		"fffff800`00010000 - fffff800`0001000f\nfffff800`00010040 - fffff800`00010043\n");
	run_line(r, "eb fffff80000010001 99");
	expect(r, ".holdmem -d fffff80000010041; .holdmem -c fffff80000010000 L10",
		"fffff800`00010000 against the copy of fffff800`00010000, 0x10 bytes:\n"
		"fffff800`00010001  01 - fffff800`00010001  99\n");
	run_line(r, ".holdmem -a fffff80000010080 L2; .holdmem -d fffff80000010000 L1");
	expect(r, ".holdmem -c fffff80000010080 L2",
		"fffff800`00010080 against the copy of fffff800`00010080, 0x2 bytes:\nno "
		"differences\n");
	HAS(run_line(r, ".holdmem -d 0"), "no held range");
	HAS(run_line(r, ".holdmem -D; .holdmem -o"), "No memory is held");
	HAS(run_line(r, ".holdmem -x"), "one of");
	HAS(run_line(r, ".holdmem -a fffff80000010000"), "needs a range");
}

static void selectors(void **state)
{
	rig *r = *state;
	static const uint64_t table[] = {0, 0, 0x00209b0000000000, 0x00cf93000000ffff,
		0x00cffb000000ffff, 0x00cff3000000ffff, 0x0020fb0000000000, 0, 0x50008b001fb00067,
		0xfffff800};
	uint8_t raw[sizeof table];
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		put64(raw + 8 * i, table[i]);
	fake_mem(r->f, as_current(), DATA + 0x800, raw, sizeof raw);
	fake_regs(r->f, 0)->gdtr_base = DATA + 0x800;
	fake_regs(r->f, 0)->gdtr_limit = sizeof raw - 1;
	expect(r, "dg 10 18",
		"                                                    P Si Gr Pr Lo\n"
		"Sel        Base              Limit          Type    l ze an es ng Flags\n"
		"---- ----------------- ----------------- ---------- - -- -- -- -- --------\n"
		"0010 00000000`00000000 00000000`00000000 Code RE Ac 0 Nb By P  Lo 0000029b\n"
		"0018 00000000`00000000 00000000`ffffffff Data RW Ac 0 Bg Pg P  Nl 00000c93\n");
	HAS(run_line(r, "dg 40"),
		"0040 fffff800`50001fb0 00000000`00000067 TSS64 Busy 0 Nb By P  Nl 0000008b\n");
	HAS(run_line(r, "dg 33"),
		"0033 00000000`00000000 00000000`00000000 Code RE Ac 3 Nb By P  Lo 000002fb\n");
	HAS(run_line(r, "dg 1000"), "the table ends at");
	HAS(run_line(r, "dg 4"), "local descriptor table");
	HAS(run_line(r, "dg 0 8000"), "at most");
	HAS(run_line(r, "d 10"), "0010 00000000");
}

static void ports_and_msrs(void **state)
{
	rig *r = *state;
	static const uint8_t port[] = {0x1c, 0x2d, 0x3e, 0x4f};
	static const uint8_t msr[] = {1, 0x0d, 0, 0, 0, 0, 0, 0};
	fake_mem(r->f, (as_t){AS_IO, 0}, 0x60, port, sizeof port);
	fake_mem(r->f, (as_t){AS_MSR, 0}, 0xc0000080, msr, sizeof msr);
	expect(r, "ib 60", "00000060: 1c\n");
	expect(r, "iw 60", "00000060: 2d1c\n");
	expect(r, "id 60", "00000060: 4f3e2d1c\n");
	expect(r, "ob 60 ab; ib 60", "00000060: ab\n");
	expect(r, "od 60 12345678; id 60", "00000060: 12345678\n");
	HAS(run_line(r, "ob 60 100"), "Overflow error");
	HAS(run_line(r, "ib 10000"), "0 to ffff");
	HAS(run_line(r, "ib"), "needs the number");
	HAS(run_line(r, "ow 60"), "needs a value");
	expect(r, "rdmsr c0000080", "msr[c0000080] = 00000000`00000d01\n");
	expect(r, "wrmsr c0000080 1122334455667788; rdmsr c0000080",
		"msr[c0000080] = 11223344`55667788\n");
	HAS(run_line(r, "rdmsr 10"), "no such msr");
}

/* A breakpoint never shows, and stays when its byte is written. */
static void breakpoints_never_show(void **state)
{
	rig *r = *state;
	run_line(r, "bp fffff80000010041");
	HAS(run_line(r, "db fffff80000010041 L1"), "  41 ");
	run_line(r, "eb fffff80000010041 90");
	HAS(run_line(r, "db fffff80000010041 L1"), "  90 ");
	HAS(run_line(r, "bl"), "fffff800`00010041");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(numbers), T(default_lengths),
		T(starts_at_the_instruction), T(floats), T(unreadable), T(text), T(references),
		T(lists), T(entering), T(entering_by_prompt), T(fill_move_compare), T(big_moves),
		T(searching), T(searching_far), T(searching_strings), T(saved_hits),
		T(searching_writable), T(physical), T(files), T(held_memory), T(selectors),
		T(ports_and_msrs), T(breakpoints_never_show)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
