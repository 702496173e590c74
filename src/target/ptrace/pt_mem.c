/*
 * pt_mem: memory of a process through /proc/PID/mem. See pt.h.
 *
 * Reads never show a byte that we planted; writes go under it. What the program itself has put over
 * a trap shows as it is: the program's bytes win.
 */
#include "target/ptrace/pt.h"

#include "base/reader.h"

#include <emmintrin.h>
#include <errno.h>
#include <unistd.h>

enum { SEARCH_FIRST = 1 << 14, SEARCH_PIECE = 1 << 18 };

/* ---- raw ---- */

size_t pt_raw_read(pt_space *s, uint64_t addr, void *b, size_t n)
{
	size_t done = 0;
	while (done < n) {
		if ((int64_t)(addr + done) < 0)
			break;
		ssize_t r = pread(s->mem, (char *)b + done, n - done, (off_t)(addr + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

size_t pt_raw_write(pt_space *s, uint64_t addr, const void *b, size_t n)
{
	size_t done = 0;
	while (done < n) {
		if ((int64_t)(addr + done) < 0)
			break;
		ssize_t r = pwrite(s->mem, (const char *)b + done, n - done, (off_t)(addr + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

/* ---- masked ---- */

static void mask(pt_space *s, uint64_t addr, uint8_t *b, size_t n)
{
	if (!s->n_planted)
		return;
	for (size_t i = pt_site_lower(s, addr); i < s->sites.n; i++) {
		const pt_site *k = s->sites.p[i];
		if (k->addr - addr >= n)
			break;
		if (k->planted && b[k->addr - addr] == PT_BREAK)
			b[k->addr - addr] = k->orig;
	}
}

bool pt_mem_get(pt_space *s, uint64_t addr, void *b, size_t n)
{
	if (pt_raw_read(s, addr, b, n) != n)
		return false;
	mask(s, addr, b, n);
	return true;
}

bool pt_mem_u64(pt_space *s, uint64_t addr, uint64_t *ret)
{
	uint8_t b[8];
	if (!pt_mem_get(s, addr, b, sizeof b))
		return false;
	*ret = le64(b);
	return true;
}

bool pt_mem_text(pt_space *s, uint64_t addr, char *b, size_t cap)
{
	size_t n = 0;
	while (n + 1 < cap) {
		/* Not past the end of a page: the next may not be there. */
		size_t want = PT_PAGE - (addr + n) % PT_PAGE, got;
		if (want > cap - 1 - n)
			want = cap - 1 - n;
		got = pt_raw_read(s, addr + n, b + n, want);
		if (!got)
			return false;
		if (memchr(b + n, 0, got))
			return true;
		n += got;
	}
	b[n] = 0;
	return true;
}

/* One run of bytes, some of which stand under planted ones. */
static size_t write_under(pt_space *s, uint64_t addr, const uint8_t *b, size_t n)
{
	size_t done = 0, i = pt_site_lower(s, addr);
	while (done < n) {
		while (i < s->sites.n && !s->sites.p[i]->planted)
			i++;
		pt_site *k =
			i < s->sites.n && s->sites.p[i]->addr - addr < n ? s->sites.p[i] : NULL;
		size_t until = k ? (size_t)(k->addr - addr) : n;
		if (until > done) {
			size_t got = pt_raw_write(s, addr + done, b + done, until - done);
			done += got;
			if (done < until)
				break;
			continue;
		}
		k->orig = b[done++];
		i++;
	}
	/* Instructions that were looked at may have changed. */
	uint64_t from = addr >= X64_INSN_MAX ? addr - X64_INSN_MAX : 0;
	for (i = pt_site_lower(s, from); i < s->sites.n && s->sites.p[i]->addr - from < n + 15; i++)
		s->sites.p[i]->how = PT_HOW_UNKNOWN;
	return done;
}

bool pt_mem_put(pt_space *s, uint64_t addr, const void *b, size_t n)
{
	return write_under(s, addr, b, n) == n;
}

err pt_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	pt_proc *pr;
	TRY(pt_current(pt_of(t), as, &pr));
	size_t got = pt_raw_read(pr->space, addr, b, n);
	if (!got)
		return ERR_FAULT;
	mask(pr->space, addr, b, got);
	*n_ret = got;
	return ERR_OK;
}

err pt_write(tgt *t, as_t as, uint64_t addr, const void *b, size_t n, size_t *n_ret)
{
	pt_proc *pr;
	TRY(pt_current(pt_of(t), as, &pr));
	if (pr->look_only)
		return ERR_UNSUPPORTED;
	size_t got = write_under(pr->space, addr, b, n);
	if (!got)
		return ERR_FAULT;
	*n_ret = got;
	return ERR_OK;
}

/* ---- searching ---- */

/* How often a byte is met in programs' memory, roughly: the rarer, the better to look for. */
static unsigned common(uint8_t c)
{
	return c == 0 ? 5 : c == 0xff ? 4 : c == ' ' || c == 0x7f || c == 0x55 ? 3 : c < 4 ? 2 : 1;
}

/*
 * The first place of pat in b, n bytes; NULL if there is none. Looks for its two rarest bytes at
 * once, 32 places at a time: few places have both, and those are compared.
 */
static const uint8_t *find(const uint8_t *b, size_t n, const uint8_t *pat, size_t plen)
{
	size_t i = 0, one = 0, two = plen - 1;
	if (n < plen)
		return NULL;
	if (plen == 1)
		return memchr(b, pat[0], n);
	for (size_t k = 1; k < plen; k++)
		if (common(pat[k]) < common(pat[one]))
			one = k;
	for (size_t k = 0; k < plen; k++)
		if (k != one && (two == one || common(pat[k]) < common(pat[two])))
			two = k;
	size_t places = n - plen + 1;
	__m128i x = _mm_set1_epi8((char)pat[one]), y = _mm_set1_epi8((char)pat[two]);
	for (; i + 32 <= places; i += 32) {
		uint32_t both = 0;
		for (size_t h = 0; h < 32; h += 16) {
			const uint8_t *at = b + i + h;
			__m128i p = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(at + one)), x);
			__m128i q = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(at + two)), y);
			both |= (uint32_t)_mm_movemask_epi8(_mm_and_si128(p, q)) << h;
		}
		for (; both; both &= both - 1) {
			const uint8_t *at = b + i + (size_t)__builtin_ctz(both);
			if (!memcmp(at, pat, plen))
				return at;
		}
	}
	for (; i < places; i++)
		if (b[i + one] == pat[one] && !memcmp(b + i, pat, plen))
			return b + i;
	return NULL;
}

/* Searches [at, end), which lies in mappings without a gap; what cannot be read ends a run. */
static err search_run(pt *p, pt_space *s, uint64_t at, uint64_t end, const uint8_t *pat,
	size_t plen, uint8_t *b, uint64_t *ret)
{
	size_t have = 0, piece = SEARCH_FIRST; /* the next hit is often near */
	while (at < end) {
		/* The kernel goes a page's length at a time from where it begins: each lies across
		 * two pages unless that is the start of one. */
		size_t want = piece - at % PT_PAGE;
		if (want > end - at)
			want = (size_t)(end - at);
		if (piece < SEARCH_PIECE)
			piece *= 4;
		if (cancelled(p->t.host.cancel))
			return ERR_CANCELLED;
		size_t got = pt_raw_read(s, at, b + have, want);
		mask(s, at, b + have, got);
		const uint8_t *hit = find(b, have + got, pat, plen);
		if (hit) {
			*ret = at - have + (uint64_t)(hit - b);
			return ERR_OK;
		}
		size_t total = have + got, keep = total < plen - 1 ? total : plen - 1;
		if (got < want) { /* a page that is not there: go on behind it */
			uint64_t next = (at + got) / PT_PAGE * PT_PAGE + PT_PAGE;
			have = 0;
			at = next;
			continue;
		}
		memmove(b, b + total - keep, keep);
		have = keep;
		at += got;
	}
	return ERR_NOTFOUND;
}

err pt_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d)
{
	pt *p = pt_of(t);
	pt_proc *pr;
	buf maps;
	pt_region r;
	TRY(pt_current(p, as, &pr));
	uint64_t end = addr + n < addr ? UINT64_MAX : addr + n, begin = 0, stop = 0;
	buf_init(&maps, 0);
	if (!pt_proc_text(pt_via(pr), "maps", &maps)) {
		buf_deinit(&maps);
		return ERR_UNSUPPORTED;
	}
	str text = buf_str(&maps);
	uint8_t *b = mem_alloc(SEARCH_PIECE + plen);
	err e = ERR_NOTFOUND;
	/* Mappings that touch are searched as one: a pattern may lie across. */
	for (bool more = true; more && e == ERR_NOTFOUND;) {
		more = pt_region_next(&text, &r);
		if (more && (r.end <= addr || !r.r))
			continue;
		if (more && r.begin == stop) {
			stop = r.end;
			continue;
		}
		uint64_t from = begin > addr ? begin : addr, to = stop < end ? stop : end;
		if (stop && from < to)
			e = search_run(p, pr->space, from, to, pattern, plen, b, ret);
		if (!more || r.begin >= end)
			break;
		begin = r.begin;
		stop = r.end;
	}
	mem_free(b);
	buf_deinit(&maps);
	if (e == ERR_NOTFOUND)
		return diag_set(d, e, "the pattern is not there");
	return e == ERR_OK ? e : diag_set(d, e, "searching: %s", err_name(e));
}
