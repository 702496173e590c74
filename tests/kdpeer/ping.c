/*
 * ping: see ping.h. Lockstep: one packet out, its ACK, one packet in.
 */
#include "ping.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ACK = 4, RESEND = 5, RESET = 6 };

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static void send(ping *p, uint8_t leader, unsigned type, const uint8_t *body, size_t n, uint32_t id)
{
	uint8_t h[16];
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += body[i];
	memset(h, leader, 4);
	put32(h + 4, type | (uint32_t)n << 16);
	put32(h + 8, id);
	put32(h + 12, sum);
	for (size_t i = 0; i < 16; i++)
		channel_put(&p->line, h[i]);
	for (size_t i = 0; i < n; i++)
		channel_put(&p->line, body[i]);
	if (leader == 0x30)
		channel_put(&p->line, 0xaa);
	channel_flush(&p->line);
}

static void control(ping *p, unsigned type, uint32_t id)
{
	send(p, 0x69, type, NULL, 0, id);
}

/* Control type seen (ACK id in *id), 0x100 for a fresh data packet in p->frame, 0: nothing in time,
 * -1: noise. */
static int frame(ping *p, unsigned ms, uint32_t *id)
{
	uint64_t end = now_ms() + ms;
	unsigned run = 0;
	int last = -1, c;
	while (run < 4) {
		uint64_t now = now_ms();
		if (now >= end)
			return 0;
		c = channel_get(&p->line, (uint32_t)(end - now) * 1000);
		if (c < 0)
			continue;
		run = (c == 0x30 || c == 0x69) ? (c == last ? run + 1 : 1) : 0;
		last = c;
	}
	uint8_t h[12];
	for (size_t i = 0; i < 12; i++) {
		if ((c = channel_get(&p->line, 200000)) < 0)
			return -1;
		h[i] = (uint8_t)c;
	}
	*id = ping_u32(h + 4);
	if (last == 0x69)
		return h[0];
	size_t n = (size_t)h[2] | (size_t)h[3] << 8;
	uint32_t sum = 0;
	bool good = n <= sizeof(p->frame);
	for (size_t i = 0; good && i < n; i++) {
		good = (c = channel_get(&p->line, 200000)) >= 0;
		p->frame[i] = (uint8_t)c;
		sum += (uint8_t)c;
	}
	if (!good || channel_get(&p->line, 200000) != 0xaa || sum != ping_u32(h + 8)) {
		p->bad++;
		control(p, RESEND, 0);
		return -1;
	}
	p->frame_n = n;
	p->frame_type = h[0];
	control(p, ACK, *id & ~0x800u);
	bool fresh = *id & 0x800 || *id == p->in_id;
	if (!fresh)
		return -1;
	p->in_id = (*id & ~0x800u) ^ 1;
	return 0x100;
}

static void digest(ping *p);

static bool send_data(ping *p, unsigned type, const uint8_t *body, size_t n)
{
	for (int tries = 0; tries < 40; tries++) {
		uint32_t id;
		send(p, 0x30, type, body, n, p->out_id);
		for (;;) {
			int got = frame(p, 200, &id);
			if (got == ACK && id == p->out_id) {
				p->out_id ^= 1;
				return true;
			}
			if (got == 0x100) {
				digest(p);
				continue;
			}
			if (got == RESEND || got == 0) {
				p->resends++;
				break;
			}
		}
	}
	return false;
}

static void answer_prompt(ping *p)
{
	uint8_t reply[17];
	memcpy(reply, p->frame, 16);
	put32(reply + 12, 1);
	reply[16] = (uint8_t)(p->prompt_answer ? p->prompt_answer : 'i');
	send_data(p, 3, reply, sizeof(reply));
}

static void answer_file(ping *p)
{
	static uint8_t reply[4000];
	uint32_t api = ping_u32(p->frame);
	size_t n = 0;
	memcpy(reply, p->frame, 64);
	put32(reply + 4, p->file ? 0 : 0xC0000034u);
	if (api == 0x3430) { /* create: handle at 32, length at 40 */
		for (size_t i = 0; i * 2 + 64 < p->frame_n && i < sizeof(p->file_name); i++)
			p->file_name[i] = (char)p->frame[64 + 2 * i];
		put64(reply + 32, 0x77);
		put64(reply + 40, p->file_n);
	} else if (api == 0x3431) { /* read: handle at 8, offset at 16, length at 24 */
		uint64_t offset = ping_u64(p->frame + 16);
		n = ping_u32(p->frame + 24);
		if (offset > p->file_n)
			offset = p->file_n;
		if (n > p->file_n - offset)
			n = (size_t)(p->file_n - offset);
		if (n)
			memcpy(reply + 64, p->file + offset, n);
		put32(reply + 24, (uint32_t)n);
	}
	send_data(p, 11, reply, 64 + n);
}

/* A data packet that is no reply: text, prompt, file, trace, state change. */
static void digest(ping *p)
{
	uint32_t word = p->frame_n >= 4 ? ping_u32(p->frame) : 0;
	if (p->frame_type == 3 && word == 0x3230 && p->frame_n >= 16) {
		size_t n = p->frame_n - 16;
		if (n > sizeof(p->text) - 1 - p->text_n)
			n = sizeof(p->text) - 1 - p->text_n;
		memcpy(p->text + p->text_n, p->frame + 16, n);
		p->text_n += n;
		p->text[p->text_n] = 0;
	} else if (p->frame_type == 3 && word == 0x3231) {
		answer_prompt(p);
	} else if (p->frame_type == 11 && p->frame_n >= 64) {
		answer_file(p);
	} else if (p->frame_type == 9) {
		p->traces++;
	} else if (p->frame_type == 7 && p->frame_n >= 240) {
		memcpy(p->state, p->frame, 240);
		p->state_data_n = p->frame_n - 240;
		memcpy(p->state_data, p->frame + 240, p->state_data_n);
		p->have_state = true;
	}
}

bool ping_open(ping *p, const char *spec)
{
	char name[64];
	memset(p, 0, sizeof(*p));
	p->out_id = p->in_id = 0x80800000u;
	return channel_open(&p->line, spec, name, sizeof(name));
}

void ping_close(ping *p)
{
	channel_close(&p->line);
}

bool ping_wait(ping *p, unsigned ms, bool break_in)
{
	uint64_t end = now_ms() + ms, next = now_ms();
	while (!p->have_state && now_ms() < end) {
		uint32_t id;
		if (break_in && now_ms() >= next) {
			channel_put(&p->line, 0x62);
			channel_flush(&p->line);
			next = now_ms() + 1000;
		}
		int got = frame(p, 100, &id);
		if (got == 0x100)
			digest(p);
		else if (got == RESET)
			p->out_id = p->in_id = 0x80800000u;
	}
	return p->have_state;
}

bool ping_reset(ping *p)
{
	for (int tries = 0; tries < 10; tries++) {
		uint32_t id;
		control(p, RESET, 0);
		p->resets++;
		for (uint64_t end = now_ms() + 500; now_ms() < end;) {
			if (frame(p, 500, &id) != RESET)
				continue;
			p->out_id = p->in_id = 0x80800000u;
			p->have_state = false;
			return ping_wait(p, 3000, false);
		}
	}
	return false;
}

bool ping_ask(ping *p, unsigned api, unsigned processor, const void *arg, size_t arg_n,
	const void *data, size_t data_n, ping_reply *ret)
{
	static uint8_t body[4096];
	memset(body, 0, 56);
	put32(body, api);
	body[6] = (uint8_t)processor;
	put32(body + 8, 0x103);
	memcpy(body + 16, arg, arg_n);
	if (data_n)
		memcpy(body + 56, data, data_n);
	for (int tries = 0; tries < 20; tries++) {
		if (!send_data(p, 2, body, 56 + data_n))
			return false;
		/* The packet that came while waiting for the ACK was digested; replies come behind
		 * it. */
		for (uint64_t end = now_ms() + 1500; now_ms() < end;) {
			uint32_t id;
			if (frame(p, 300, &id) != 0x100)
				continue;
			if (p->frame_type != 2 || p->frame_n < 56 || ping_u32(p->frame) != api) {
				digest(p);
				continue;
			}
			memcpy(ret->header, p->frame, 56);
			ret->status = ping_u32(p->frame + 8);
			ret->data_n = p->frame_n - 56;
			memcpy(ret->data, p->frame + 56, ret->data_n);
			return true;
		}
		if (!ping_reset(p))
			return false;
	}
	return false;
}

bool ping_tell(ping *p, unsigned api, unsigned processor)
{
	uint8_t body[56] = {0};
	put32(body, api);
	body[6] = (uint8_t)processor;
	p->have_state = false;
	return send_data(p, 2, body, 56);
}

bool ping_continue(ping *p, bool trace, uint64_t dr7)
{
	uint8_t body[56] = {0};
	put32(body, 0x313c);
	put32(body + 16, 0x00010002);
	put32(body + 20, trace);
	put64(body + 24, dr7);
	put64(body + 32, 1);
	put64(body + 40, 1);
	p->have_state = false;
	return send_data(p, 2, body, 56);
}

bool ping_read(ping *p, uint64_t va, void *to, size_t n)
{
	ping_reply r;
	uint8_t arg[16] = {0};
	put64(arg, va);
	put32(arg + 8, (uint32_t)n);
	if (!ping_ask(p, 0x3130, 0, arg, 16, NULL, 0, &r) || r.status || r.data_n != n)
		return false;
	memcpy(to, r.data, n);
	return true;
}

bool ping_write(ping *p, uint64_t va, const void *from, size_t n)
{
	ping_reply r;
	uint8_t arg[16] = {0};
	put64(arg, va);
	put32(arg + 8, (uint32_t)n);
	return ping_ask(p, 0x3131, 0, arg, 16, from, n, &r) && !r.status;
}

uint32_t ping_breakpoint(ping *p, uint64_t va)
{
	ping_reply r;
	uint8_t arg[16] = {0};
	put64(arg, va);
	return ping_ask(p, 0x3134, 0, arg, 16, NULL, 0, &r) && !r.status ? ping_u32(r.header + 24)
									 : 0;
}

bool ping_restore(ping *p, uint32_t handle)
{
	ping_reply r;
	uint8_t arg[4];
	put32(arg, handle);
	return ping_ask(p, 0x3135, 0, arg, 4, NULL, 0, &r) && !r.status;
}

bool ping_set_pc(ping *p, uint64_t pc)
{
	ping_reply r;
	unsigned processor = p->state[6];
	static uint8_t context[1232];
	if (!ping_ask(p, 0x3132, processor, "", 0, NULL, 0, &r) || r.status || r.data_n != 1232)
		return false;
	memcpy(context, r.data, 1232);
	put64(context + 0xf8, pc);
	uint8_t flags[4];
	memcpy(flags, context + 0x30, 4);
	return ping_ask(p, 0x3133, processor, flags, 4, context, 1232, &r) && !r.status;
}
