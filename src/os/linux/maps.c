/*
 * maps: parsers of /proc texts. See linux.h.
 */
#include "os/linux/linux.h"

#include <unistd.h>

static str line_next(str *rest)
{
	size_t nl = str_chr(*rest, '\n');
	str line = str_take(*rest, nl == SIZE_MAX ? rest->n : nl);
	*rest = str_skip(*rest, nl == SIZE_MAX ? rest->n : nl + 1);
	return line;
}

/* "00400000-00452000 r-xp 00000000 08:02 173521   /usr/bin/dbus-daemon" */
static bool map_line(str line, linux_map *ret)
{
	str range = str_word(&line), perm = str_word(&line), offset = str_word(&line);
	(void)str_word(&line); /* device */
	str inode = str_word(&line);
	size_t dash = str_chr(range, '-');
	linux_map m = {0};
	if (dash == SIZE_MAX || perm.n < 4 || !str_u64(str_take(range, dash), 16, &m.start) ||
		!str_u64(str_skip(range, dash + 1), 16, &m.end) || m.end <= m.start ||
		!str_u64(offset, 16, &m.offset) || !str_u64(inode, 10, &m.inode))
		return false;
	m.r = perm.p[0] == 'r';
	m.w = perm.p[1] == 'w';
	m.x = perm.p[2] == 'x';
	m.shared = perm.p[3] == 's';
	m.path = str_trim(line);
	*ret = m;
	return true;
}

bool linux_map_next(str *rest, linux_map *ret)
{
	while (rest->n)
		if (map_line(line_next(rest), ret))
			return true;
	return false;
}

err linux_stat_parse(str text, linux_stat *ret)
{
	/* The name may hold blanks and parentheses: it ends at the last one. */
	size_t open = str_chr(text, '('), close = str_rchr(text, ')');
	linux_stat s = {0};
	if (open == SIZE_MAX || close == SIZE_MAX || close < open)
		return ERR_CORRUPT;
	s.name = (str){text.p + open + 1, close - open - 1};
	str rest = str_skip(text, close + 1), w = str_word(&rest);
	if (w.n != 1)
		return ERR_CORRUPT;
	s.state = w.p[0];
	/* Fields by their numbers in proc(5): 4 parent, 14 and 15 times, 22 start. */
	for (unsigned field = 4; field <= 22; field++) {
		uint64_t *to = field == 4    ? &s.parent
			       : field == 14 ? &s.user_ticks
			       : field == 15 ? &s.system_ticks
			       : field == 22 ? &s.start_ticks
					     : NULL;
		w = str_word(&rest);
		if (to && !str_u64(w, 10, to))
			return ERR_CORRUPT;
	}
	*ret = s;
	return ERR_OK;
}

uint64_t linux_ticks_ms(uint64_t ticks)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	return ticks * 1000 / (hz ? hz : 100);
}

str linux_status_value(str text, str name)
{
	while (text.n) {
		str line = line_next(&text);
		if (str_starts(line, name) && line.n > name.n && line.p[name.n] == ':')
			return str_trim(str_skip(line, name.n + 1));
	}
	return STR("");
}
