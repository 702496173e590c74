/* The blanks in the arguments of templates. */
#include "fmt/respell.h"

#include "test_fmt_util.h"

static void one(const char *name, unsigned style, const char *want)
{
	buf b;
	buf_init(&b, 4096);
	respell(str_of(name), style, &b);
	assert_string_equal(buf_z(&b), want);
	buf_deinit(&b);
}

static void styles(void **state)
{
	static const char *const same[] = {"Ring<int,8>", "Ring<int, 8>", "Ring< int , 8 >"};
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		one(same[i], 0, "Ring<int, 8>");
		one(same[i], RESPELL_TIGHT_COMMA, "Ring<int,8>");
	}
	one("a<b<int>>::f", 0, "a<b<int> >::f");
	one("a<b<int> >::f", RESPELL_TIGHT_CLOSE, "a<b<int>>::f");
	one("a<b *,c<d*>>", 0, "a<b*, c<d*> >");
	one("a<b*, c<d&> >", RESPELL_LOOSE_STAR | RESPELL_TIGHT_CLOSE, "a<b *, c<d &>>");
	one("a<b *>", RESPELL_LOOSE_STAR, "a<b *>");
	one("a<char  const*>", 0, "a<char const*>");
	one("a<char* const>", 0, "a<char* const>");
	one("a<unsigned  long>", RESPELL_LOOSE_STAR, "a<unsigned long>");
	one("f<int (*)(char, int)>", 0, "f<int(*)(char, int)>");
}

static void left_alone(void **state)
{
	static const char *const same[] = {"", "main", "a, b", "x * y", "ns::operator<",
		"operator<<", "operator>", "operator->", "operator>>", "operator<=>", "a>b, c",
		"A::operator<", "<", ">>"};
	for (unsigned style = 0; style < RESPELL_STYLES; style++)
		for (size_t i = 0; i < ARRAY_LEN(same); i++)
			if (!strchr(same[i], '<') || strstr(same[i], "operator") || !same[i][1])
				one(same[i], style, same[i]);
	one("operator<< <int,8>", 0, "operator<< <int, 8>");
}

static void in_turn(void **state)
{
	unsigned style = 0;
	size_t n = 0;
	buf b;
	buf_init(&b, 4096);
	assert_false(respell_next(STR("plain"), &style, &b));
	for (; respell_next(STR("a<b*,c<d>>"), &style, &b); n++)
		assert_false(str_eq(buf_str(&b), STR("a<b*,c<d>>")));
	assert_int_equal(n, RESPELL_STYLES - 1);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(styles),
		cmocka_unit_test(left_alone),
		cmocka_unit_test(in_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
