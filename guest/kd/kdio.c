/*
 * kdio: text out, prompts, and files that the debugger's host offers.
 *
 * Refuses to know about stops. While the debugger is absent everything here returns at once.
 */
#include "kdstub.h"

enum { TEXT_MAX = KD_PACKET_MAX - sizeof(kd_debug_io), NAME_MAX = 512 };

static void io_header(kd_debug_io *io, uint32_t api, size_t n, size_t room)
{
	kd_port_zero(io, sizeof(*io));
	io->api = api;
	io->level = kd_port_processor_level();
	io->processor = (uint16_t)kd_port_processor();
	io->length = (uint32_t)n;
	io->reply_length = (uint32_t)room;
}

bool kd_print(const char *text, size_t n)
{
	if (kd_absent)
		return false;
	kd_debug_io io;
	bool want_break;
	if (n > TEXT_MAX)
		n = TEXT_MAX;
	kd_port_enter();
	io_header(&io, KD_IO_PRINT, n, 0);
	kd_message m = {&io, sizeof(io), (uint8_t *)text, n};
	kd_link_send(KD_TYPE_DEBUG_IO, &m);
	want_break = kd_link_take_break();
	kd_port_leave();
	return want_break;
}

void kd_trace(const void *data, size_t n)
{
	kd_trace_io io;
	if (kd_absent)
		return;
	if (n > KD_PACKET_MAX - sizeof(io))
		n = KD_PACKET_MAX - sizeof(io);
	kd_port_enter();
	kd_port_zero(&io, sizeof(io));
	io.api = KD_TRACE_PRINT;
	io.level = kd_port_processor_level();
	io.processor = (uint16_t)kd_port_processor();
	io.length = (uint32_t)n;
	kd_message m = {&io, sizeof(io), (uint8_t *)data, n};
	kd_link_send(KD_TYPE_TRACE_IO, &m);
	kd_port_leave();
}

size_t kd_prompt(const char *prompt, size_t n, char *reply, size_t cap)
{
	if (kd_absent)
		return 0;
	kd_debug_io io, back;
	kd_message in = {&back, sizeof(back), NULL, 0};
	kd_got got = KD_GOT_RESEND;
	if (n > TEXT_MAX)
		n = TEXT_MAX;
	kd_port_enter();
	io_header(&io, KD_IO_GET_STRING, n, cap < TEXT_MAX ? cap : TEXT_MAX);
	kd_message m = {&io, sizeof(io), (uint8_t *)prompt, n};
	while (got != KD_GOT_PACKET) {
		if (got == KD_GOT_RESEND)
			kd_link_send(KD_TYPE_DEBUG_IO, &m);
		got = kd_link_receive(KD_TYPE_DEBUG_IO, &in);
		if (got == KD_GOT_PACKET && back.api != KD_IO_GET_STRING)
			got = KD_GOT_NOTHING;
	}
	size_t got_n = back.reply_length;
	if (got_n > in.data_n)
		got_n = in.data_n;
	if (got_n > cap)
		got_n = cap;
	kd_port_copy(reply, in.data, got_n);
	kd_port_leave();
	while (got_n && !reply[got_n - 1])
		got_n--;
	return got_n;
}

/* ---- files ---- */

/* One question and its answer. False: no debugger, or it said no. */
static bool ask(kd_file_io *io, const void *data, size_t n, kd_message *in)
{
	kd_message m = {io, sizeof(*io), (uint8_t *)data, n};
	uint32_t api = io->api;
	kd_got got = KD_GOT_RESEND;
	unsigned patience = 50; /* ten seconds: the host may have to open a file on a slow disk */
	while (got != KD_GOT_PACKET) {
		if (got == KD_GOT_RESEND)
			kd_link_send(KD_TYPE_FILE_IO, &m);
		if (kd_absent || !patience--)
			return false;
		in->header = io;
		in->header_n = sizeof(*io);
		got = kd_link_receive(KD_TYPE_FILE_IO, in);
		if (got == KD_GOT_PACKET && io->api != api)
			got = KD_GOT_NOTHING;
	}
	return (int32_t)io->status >= 0;
}

bool kd_file_open(const char *path, size_t path_n, kd_file *ret)
{
	static uint16_t name[NAME_MAX];
	kd_file_io io;
	kd_message in;
	if (kd_absent || !path_n || path_n >= NAME_MAX)
		return false;
	kd_port_enter();
	for (size_t i = 0; i < path_n; i++)
		name[i] = (uint8_t)path[i];
	name[path_n] = 0;
	kd_port_zero(&io, sizeof(io));
	io.api = KD_FILE_CREATE;
	io.u.create.access = 0x00120089; /* FILE_GENERIC_READ */
	io.u.create.attributes = 0x80;	 /* FILE_ATTRIBUTE_NORMAL */
	io.u.create.share = 1;		 /* FILE_SHARE_READ */
	io.u.create.disposition = 1;	 /* FILE_OPEN */
	bool good = ask(&io, name, (path_n + 1) * sizeof(name[0]), &in);
	kd_port_leave();
	if (good)
		*ret = (kd_file){io.u.create.handle, io.u.create.length};
	return good;
}

size_t kd_file_read(const kd_file *f, uint64_t offset, void *to, size_t n)
{
	enum { CHUNK = KD_PACKET_MAX - sizeof(kd_file_io) };
	size_t done = 0;
	kd_port_enter();
	while (done < n) {
		kd_file_io io;
		kd_message in;
		size_t want = n - done < CHUNK ? n - done : CHUNK;
		kd_port_zero(&io, sizeof(io));
		io.api = KD_FILE_READ;
		io.u.data.handle = f->handle;
		io.u.data.offset = offset + done;
		io.u.data.length = (uint32_t)want;
		if (!ask(&io, NULL, 0, &in) || in.data_n == 0)
			break;
		size_t got = in.data_n < want ? in.data_n : want;
		kd_port_copy((uint8_t *)to + done, in.data, got);
		done += got;
		if (got < want)
			break;
	}
	kd_port_leave();
	return done;
}

void kd_file_close(kd_file *f)
{
	kd_file_io io;
	kd_message in;
	kd_port_enter();
	kd_port_zero(&io, sizeof(io));
	io.api = KD_FILE_CLOSE;
	io.u.handle = f->handle;
	ask(&io, NULL, 0, &in);
	kd_port_leave();
	f->handle = 0;
}
