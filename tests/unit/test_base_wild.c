/*
 * wild: the fast matchers against the plain one, on patterns and texts made at random from few
 * letters, so that many of them nearly match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/wild.h"

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33);
}

static str made(uint64_t *seed, const char *letters, size_t max, char *to)
{
	size_t n = next(seed) % (max + 1), k = strlen(letters);
	for (size_t i = 0; i < n; i++)
		to[i] = letters[next(seed) % k];
	return (str){to, n};
}

static void check(str pattern, str text, bool symbol, size_t hits[5], size_t misses[5])
{
	wild w;
	wild_init(&w, pattern, symbol);
	bool want = wild_plain(pattern, text, symbol);
	if (wild_match(&w, text) != want || str_wild(pattern, text, symbol) != want)
		fail_msg("pattern {%.*s} text {%.*s} symbol %d way %d: plain says %d",
			STR_ARG(pattern), STR_ARG(text), symbol, w.how, want);
	++*(want ? &hits[w.how] : &misses[w.how]);
}

static void equivalent(void **state)
{
	static const struct {
		const char *pattern, *text;
		size_t pattern_max, text_max;
	} kinds[] = {
		{"ab*", "aAbB", 8, 10},		      /* pieces */
		{"aB_?*", "abB_", 10, 12},	      /* '?' and underscores */
		{"ab*?\\[", "ab*?\\[", 8, 8},	      /* escapes, lists that never end */
		{"ab#+*?", "abAB#+", 9, 10},	      /* repetitions */
		{"ab[]-c#+*_", "abcABC[]-_", 14, 10}, /* lists */
		{"ab*?[]#+\\-_", "aAbB*?[]#+\\-_", 12, 9},
		{"abc*", "abcABC", 120, 160}, /* long pieces */
		{"ab*#", "ab", 200, 90},      /* more states than a word has bits */
	};
	size_t hits[5] = {0}, misses[5] = {0};
	uint64_t seed = 7;
	char p[512], t[256];
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (int i = 0; i < 40000; i++) {
			bool longer = kinds[k].pattern_max > 50;
			if (longer && i == 4000)
				break;
			str pattern = made(&seed, kinds[k].pattern, kinds[k].pattern_max, p);
			str text = made(&seed, kinds[k].text, kinds[k].text_max, t);
			check(pattern, text, next(&seed) & 1, hits, misses);
		}
	/* texts that a long pattern was made from do match */
	for (int i = 0; i < 4000; i++) {
		str text = made(&seed, "abcdAB_", 160, t);
		size_t n = 0;
		for (size_t j = 0; j < text.n; j++) {
			uint32_t r = next(&seed) % 12;
			p[n++] = r == 0 ? '*' : r == 2 ? '?' : t[j];
			if (r == 1 && i & 1)
				p[n++] = j & 1 ? '+' : '#';
		}
		check((str){p, n}, text, i & 2, hits, misses);
	}
	for (int how = WILD_ALL; how <= WILD_PLAIN; how++)
		if (hits[how] < 20 || (how != WILD_ALL && misses[how] < 20))
			fail_msg("way %d: %zu hits, %zu misses: the test says too little", how,
				hits[how], misses[how]);
}

static void edges(void **state)
{
	char big[WILD_MAX + 1];
	memset(big, '*', sizeof big);
	assert_true(str_wild((str){big, WILD_MAX}, STR("any"), false));
	assert_false(str_wild((str){big, WILD_MAX + 1}, STR("any"), false));
	/* as many pieces as a pattern can hold */
	for (size_t i = 0; i < WILD_MAX; i += 2)
		big[i] = 'a';
	assert_true(str_wild((str){big, WILD_MAX}, (str){big, WILD_MAX}, false));
	assert_false(str_wild((str){big, WILD_MAX}, STR("aaa"), false));
	assert_true(str_wild((str){0}, (str){0}, true));
	/* one leading underscore is any number of them, more are at least that many less one */
	assert_true(str_wild(STR("_imp_*"), STR("__imp_x"), true));
	assert_true(str_wild(STR("_imp_*"), STR("imp_x"), true));
	assert_true(str_wild(STR("__imp_*"), STR("__imp_x"), true));
	assert_true(str_wild(STR("__imp_*"), STR("_imp_x"), true));
	assert_false(str_wild(STR("__imp_*"), STR("imp_x"), true));
	assert_false(str_wild(STR("__imp_*"), STR("_imp_x"), false));
	assert_true(str_wild(STR("__*"), STR("_"), true));
	assert_false(str_wild(STR("__"), STR(""), true));
	assert_true(str_wild(STR("*"), (str){0}, true));
	assert_false(str_wild(STR("*a*"), (str){0}, true));
	assert_true(str_wild(STR("a\0*"), STR("A\0b"), false));
	assert_false(str_wild(STR("a\0*"), STR("Abb"), false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(equivalent), cmocka_unit_test(edges)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
