/* link: WinDbg's connection strings, and the errors that name what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "link/link.h"

#include <stdio.h>

static const char *env_port, *env_baud;

static const char *env(const char *name)
{
	return !strcmp(name, "_NT_DEBUG_PORT")	      ? env_port
	       : !strcmp(name, "_NT_DEBUG_BAUD_RATE") ? env_baud
						      : NULL;
}

static link_spec good(const char *options)
{
	link_spec s;
	diag d = {0};
	if (link_spec_parse(str_of(options), env, &s, &d) != ERR_OK)
		fail_msg("%s: %s", options, d.text);
	return s;
}

static void accepted(void **state)
{
	link_spec s = good("com:pipe,port=/tmp/kd");
	assert_int_equal(s.kind, LINK_PIPE);
	assert_string_equal(s.path, "/tmp/kd");
	assert_false(s.reconnect || s.listen || s.has_resets);
	s = good("com:pipe,port=/tmp/a b,resets=0,reconnect");
	assert_string_equal(s.path, "/tmp/a b");
	assert_true(s.reconnect && s.has_resets && s.resets == 0);
	s = good(" COM:Pipe , Port=/tmp/kd , Resets=7, LISTEN ");
	assert_true(s.listen && s.resets == 7);
	s = good("com:port=/dev/ttyS0,baud=57600");
	assert_int_equal(s.kind, LINK_SERIAL);
	assert_int_equal(s.baud, 57600);
	s = good("com:port=/dev/pts/3");
	assert_int_equal(s.baud, 115200);
	s = good("com:port=com2,baud=9600");
	assert_string_equal(s.path, "/dev/ttyS1");
	s = good("com:port=\\\\.\\COM10");
	assert_string_equal(s.path, "/dev/ttyS9");
	s = good("com:ipport=4445,port=127.0.0.1");
	assert_int_equal(s.kind, LINK_TCP);
	assert_int_equal(s.port, 4445);
	assert_string_equal(s.path, "127.0.0.1");
	assert_true(good("com:ipport=1,port=h,reconnect").reconnect);
}

static void environment(void **state)
{
	env_port = "com3";
	env_baud = "38400";
	link_spec s = good("");
	assert_int_equal(s.kind, LINK_SERIAL);
	assert_string_equal(s.path, "/dev/ttyS2");
	assert_int_equal(s.baud, 38400);
	s = good("com:");
	assert_string_equal(s.path, "/dev/ttyS2");
	s = good("com:port=/dev/ttyUSB0");
	assert_string_equal(s.path, "/dev/ttyUSB0");
	assert_int_equal(s.baud, 38400);
	s = good("com:baud=19200");
	assert_int_equal(s.baud, 19200);
	env_port = "/tmp/from-env";
	s = good("com:pipe");
	assert_int_equal(s.kind, LINK_PIPE);
	assert_string_equal(s.path, "/tmp/from-env");
	env_port = env_baud = NULL;
}

static void refused(void **state)
{
	static const struct {
		const char *options;
		err e;
		const char *names; /* must be in the message */
	} rows[] = {
		{"net:port=50000,key=1.2.3.4", ERR_UNSUPPORTED, "net"},
		{"usb:targetname=x", ERR_UNSUPPORTED, "usb"},
		{"usb2:targetname=x", ERR_UNSUPPORTED, "usb2"},
		{"1394:channel=1", ERR_UNSUPPORTED, "1394"},
		{"kdsrv:server=@{x},trans=@{y}", ERR_UNSUPPORTED, "kdsrv"},
		{"exdi:CLSID={1}", ERR_UNSUPPORTED, "exdi"},
		{"com:modem", ERR_UNSUPPORTED, "modem"},
		{"pipe,port=/tmp/kd", ERR_SYNTAX, "pipe"},
		{"com:pipe,port=/tmp/kd,speed=5", ERR_SYNTAX, "speed=5"},
		{"com:pipe,port=/tmp/kd,baud=9600", ERR_SYNTAX, "baud=9600"},
		{"com:pipe,ipport=5,port=h", ERR_SYNTAX, "ipport=5"},
		{"com:ipport=5,port=h,baud=9600", ERR_SYNTAX, "baud=9600"},
		{"com:port=/dev/ttyS0,listen", ERR_SYNTAX, "listen"},
		{"com:port=/dev/ttyS0,reconnect", ERR_SYNTAX, "reconnect"},
		{"com:port=/dev/ttyS0,port=/dev/ttyS1", ERR_SYNTAX, "port=/dev/ttyS1"},
		{"com:port=/dev/ttyS0,baud=fast", ERR_SYNTAX, "baud=fast"},
		{"com:port=/dev/ttyS0,baud=0", ERR_SYNTAX, "baud=0"},
		{"com:port=/dev/ttyS0,baud=1,baud=2", ERR_SYNTAX, "baud=2"},
		{"com:ipport=70000,port=h", ERR_SYNTAX, "ipport=70000"},
		{"com:ipport=0,port=h", ERR_SYNTAX, "ipport=0"},
		{"com:pipe=1,port=/tmp/kd", ERR_SYNTAX, "pipe=1"},
		{"com:pipe,port=/tmp/kd,reconnect,reconnect", ERR_SYNTAX, "reconnect"},
		{"com:pipe,port=/tmp/kd,resets=x", ERR_SYNTAX, "resets=x"},
		{"com:pipe,port=/tmp/kd,,reconnect", ERR_SYNTAX, "empty"},
		{"com:pipe,port=", ERR_SYNTAX, "port="},
		{"com:pipe", ERR_SYNTAX, "port="},
		{"com:port=1,baud=9600", ERR_SYNTAX, "port=1"},
		{"", ERR_SYNTAX, "_NT_DEBUG_PORT"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		link_spec s = {.port = 4711};
		diag d = {0};
		err e = link_spec_parse(str_of(rows[i].options), env, &s, &d);
		if (e != rows[i].e || !strstr(d.text, rows[i].names))
			fail_msg("%s: %s: %s", rows[i].options, err_name(e), d.text);
		assert_int_equal(s.port, 4711);
		/* A range, where there is one, is the option itself. */
		if (d.src_end > d.src_begin)
			assert_non_null(strstr(d.text, "option"));
	}
}

static void too_long(void **state)
{
	char o[600] = "com:pipe,port=";
	link_spec s;
	diag d = {0};
	memset(o + 14, 'x', 400);
	assert_int_equal(link_spec_parse(str_of(o), env, &s, &d), ERR_SYNTAX);
	assert_non_null(strstr(d.text, "too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(environment),
		cmocka_unit_test(refused),
		cmocka_unit_test(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
