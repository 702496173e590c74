/*
 * link_spec: WinDbg's connection strings. See link.h.
 *
 *   com:pipe,port=PATH[,resets=N][,reconnect][,listen]     (listen is ours)
 *   com:port=/dev/ttyS0,baud=N
 *   com:ipport=N,port=HOST
 *
 * Refuses to open anything. Learn Microsoft, "KD command-line options" and "Setting the kernel
 * debugging options by environment variables", describe the strings.
 */
#include "link/link.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct parse {
	str all; /* the whole option string, for ranges */
	link_spec s;
	bool pipe, ipport, baud;
	str pipe_at, ipport_at, baud_at, resets_at, reconnect_at, listen_at, port_at;
	diag *d;
} parse;

static err bad(parse *p, str at, const char *why)
{
	size_t b = (size_t)(at.p - p->all.p);
	return diag_set_at(
		p->d, ERR_SYNTAX, b, b + at.n, "connection option '%.*s': %s", STR_ARG(at), why);
}

static err number(parse *p, str opt, str v, uint64_t max, unsigned *ret)
{
	uint64_t n;
	if (!str_u64(v, 10, &n) || n > max)
		return bad(p, opt, "a decimal number is needed");
	*ret = (unsigned)n;
	return ERR_OK;
}

static err flag(parse *p, str *seen, str opt, bool has_value)
{
	if (has_value)
		return bad(p, opt, "takes no value");
	if (seen->n)
		return bad(p, opt, "given twice");
	*seen = opt;
	return ERR_OK;
}

static err option(parse *p, str opt)
{
	size_t eq = str_chr(opt, '=');
	bool has = eq != SIZE_MAX;
	str key = str_trim(has ? str_take(opt, eq) : opt);
	str val = has ? str_trim(str_skip(opt, eq + 1)) : STR("");

	if (str_ieq(key, STR("pipe"))) {
		p->pipe = true;
		return flag(p, &p->pipe_at, opt, has);
	}
	if (str_ieq(key, STR("reconnect"))) {
		p->s.reconnect = true;
		return flag(p, &p->reconnect_at, opt, has);
	}
	if (str_ieq(key, STR("listen"))) {
		p->s.listen = true;
		return flag(p, &p->listen_at, opt, has);
	}
	if (str_ieq(key, STR("modem")))
		return diag_set(p->d, ERR_UNSUPPORTED, "com:modem is not supported yet");
	if (str_ieq(key, STR("port"))) {
		if (p->port_at.n)
			return bad(p, opt, "given twice");
		if (!val.n)
			return bad(p, opt, "a value is missing");
		if (val.n >= sizeof p->s.path)
			return bad(p, opt, "too long");
		p->port_at = opt;
		memcpy(p->s.path, val.p, val.n);
		p->s.path[val.n] = 0;
		return ERR_OK;
	}
	if (str_ieq(key, STR("baud"))) {
		if (p->baud_at.n)
			return bad(p, opt, "given twice");
		p->baud_at = opt;
		return number(p, opt, val, 4000000, &p->s.baud);
	}
	if (str_ieq(key, STR("ipport"))) {
		if (p->ipport_at.n)
			return bad(p, opt, "given twice");
		p->ipport_at = opt;
		TRY(number(p, opt, val, 65535, &p->s.port));
		return p->s.port ? ERR_OK : bad(p, opt, "port 0 makes no sense");
	}
	if (str_ieq(key, STR("resets"))) {
		if (p->resets_at.n)
			return bad(p, opt, "given twice");
		p->resets_at = opt;
		p->s.has_resets = true;
		return number(p, opt, val, 1000000, &p->s.resets);
	}
	return bad(p, opt, "unknown option (pipe, port, baud, ipport, resets, reconnect, listen)");
}

static err contradictions(parse *p)
{
	if (p->pipe && p->ipport_at.n)
		return bad(p, p->ipport_at, "contradicts 'pipe'");
	if (p->pipe && p->baud_at.n)
		return bad(p, p->baud_at, "contradicts 'pipe'");
	if (p->ipport_at.n && p->baud_at.n)
		return bad(p, p->baud_at, "contradicts 'ipport'");
	if (!p->pipe && p->listen_at.n)
		return bad(p, p->listen_at, "only with 'pipe'");
	if (!p->pipe && !p->ipport_at.n && p->reconnect_at.n)
		return bad(p, p->reconnect_at, "only with 'pipe' or 'ipport'");
	return ERR_OK;
}

/* Names of Windows ports are accepted for serial lines: com1 is /dev/ttyS0. */
static err serial_name(parse *p)
{
	str v = str_of(p->s.path);
	uint64_t n;
	if (str_istarts(v, STR("\\\\.\\")))
		v = str_skip(v, 4);
	if (str_istarts(v, STR("com")) && str_u64(str_skip(v, 3), 10, &n) && n >= 1 && n <= 256) {
		snprintf(p->s.path, sizeof p->s.path, "/dev/ttyS%u", (unsigned)n - 1);
		return ERR_OK;
	}
	if (str_u64(v, 10, &n))
		return p->port_at.n ? bad(p, p->port_at, "a bare number is no port")
				    : diag_set(p->d, ERR_SYNTAX,
					      "_NT_DEBUG_PORT: a bare number is no port");
	return ERR_OK;
}

static err finish(parse *p, const char *(*env)(const char *))
{
	TRY(contradictions(p));
	p->s.kind = p->pipe ? LINK_PIPE : p->ipport_at.n ? LINK_TCP : LINK_SERIAL;
	const char *port = env("_NT_DEBUG_PORT");
	if (!p->port_at.n && port && *port && strlen(port) < sizeof p->s.path)
		strcpy(p->s.path, port);
	if (!p->s.path[0])
		return diag_set(p->d, ERR_SYNTAX,
			"connection options: 'port=' is missing (and _NT_DEBUG_PORT is not set)");
	if (p->s.kind != LINK_SERIAL)
		return ERR_OK;
	TRY(serial_name(p));
	const char *baud = env("_NT_DEBUG_BAUD_RATE");
	uint64_t n;
	if (!p->baud_at.n && baud && *baud) {
		if (!str_u64(str_trim(str_of(baud)), 10, &n) || !n || n > 4000000)
			return diag_set(
				p->d, ERR_SYNTAX, "_NT_DEBUG_BAUD_RATE '%s' is no baud rate", baud);
		p->s.baud = (unsigned)n;
	}
	if (p->baud_at.n && !p->s.baud)
		return bad(p, p->baud_at, "0 is no baud rate");
	if (!p->s.baud)
		p->s.baud = 115200;
	return ERR_OK;
}

static const char *host_env(const char *name)
{
	return getenv(name);
}

err link_spec_parse(str options, const char *(*env)(const char *), link_spec *ret, diag *d)
{
	static const char *const later[] = {"net", "usb", "usb2", "1394", "kdsrv", "exdi", "local"};
	parse p = {.all = options, .d = d};
	str o = str_trim(options);
	size_t colon = str_chr(o, ':');
	str transport = str_trim(str_take(o, colon == SIZE_MAX ? o.n : colon));

	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (str_ieq(transport, str_of(later[i])))
			return diag_set(d, ERR_UNSUPPORTED,
				"%.*s: connections are not supported yet; com: with a pipe, a "
				"serial "
				"line or TCP is",
				STR_ARG(transport));
	str rest = STR("");
	if (o.n) {
		if (!str_ieq(transport, STR("com")))
			return bad(&p, transport.n ? transport : o,
				"unknown transport (com: is known)");
		rest = colon == SIZE_MAX ? STR("") : str_skip(o, colon + 1);
	}
	while (rest.n) {
		size_t comma = str_chr(rest, ',');
		str opt = str_trim(str_take(rest, comma == SIZE_MAX ? rest.n : comma));
		rest = comma == SIZE_MAX ? STR("") : str_skip(rest, comma + 1);
		if (!opt.n)
			return diag_set(d, ERR_SYNTAX,
				"connection options '%.*s': an option is empty", STR_ARG(o));
		TRY(option(&p, opt));
	}
	TRY(finish(&p, env ? env : host_env));
	*ret = p.s;
	return ERR_OK;
}
