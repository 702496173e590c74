#!/usr/bin/env python3
"""Makes a public PDB out of a full one, as Microsoft publishes them.

usage: pdbstrip.py [--types] FULL.pdb PUBLIC.pdb

What stays: GUID, age and signature; public symbols with their hash and address tables; modules with their section
contributions; section headers and the section map; with --types also the type streams (as ntoskrnl's and
ntdll's public PDBs have them). What goes: the symbols, lines and inlinees of each module, global and static
symbols, source file names, the string table; without --types, all types.

Formats: LLVM's "The PDB File Format" (MSF, DBI, TPI, publics streams). Reads its own linker's output
only, so what it does not expect is an error.
"""
import struct
import sys

BLOCK = 4096
STREAM_NONE = 0xFFFF
S_PUB32 = 0x110E
HASH_BUCKETS = 4096
STRIPPED = 0x0002  # DBI flags: private data were stripped


def pad4(data):
    return data + b"\0" * (-len(data) % 4)


def read_msf(data):
    """List of streams; None for those that do not exist."""
    if data[:32] != b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0":
        sys.exit("pdbstrip: not an MSF file")
    block, _, _, directory_size, _, map_block = struct.unpack_from("<6I", data, 32)

    def gather(blocks, size):
        return b"".join(data[b * block:(b + 1) * block] for b in blocks)[:size]

    def count(size):
        return (size + block - 1) // block

    map_words = struct.unpack_from(f"<{count(directory_size)}I", data, map_block * block)
    directory = gather(map_words, directory_size)
    words = struct.unpack(f"<{directory_size // 4}I", directory)
    sizes, at, streams = words[1:1 + words[0]], 1 + words[0], []
    for size in sizes:
        if size == 0xFFFFFFFF:
            streams.append(None)
            continue
        streams.append(gather(words[at:at + count(size)], size))
        at += count(size)
    return streams


def write_msf(streams):
    """Blocks in order: superblock, two free maps, streams, directory, directory's map."""
    blocks = [b"", None, None]

    def reserve():
        while len(blocks) % BLOCK in (1, 2):  # each interval has its free page maps
            blocks.append(None)

    def put(data):
        numbers = []
        for at in range(0, len(data), BLOCK):
            reserve()
            numbers.append(len(blocks))
            blocks.append(data[at:at + BLOCK].ljust(BLOCK, b"\0"))
        return numbers

    placed = [put(s) if s else [] for s in streams]
    directory = struct.pack("<I", len(streams))
    directory += b"".join(struct.pack("<I", 0xFFFFFFFF if s is None else len(s)) for s in streams)
    directory += b"".join(struct.pack(f"<{len(p)}I", *p) for p in placed)
    where = put(directory)
    map_block = put(struct.pack(f"<{len(where)}I", *where))[0]
    blocks[0] = (b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0" +
                 struct.pack("<6I", BLOCK, 1, len(blocks), len(directory), 0, map_block)).ljust(BLOCK, b"\0")
    for i, b in enumerate(blocks):
        if b is None:  # free page maps: one bit a block, 1 = free; bits beyond the file are free
            base = (i // BLOCK) * BLOCK * 8 if i % BLOCK == 1 else None
            bits = bytearray(b"\xff" * BLOCK)
            if base is not None:
                for k in range(BLOCK * 8):
                    if base + k < len(blocks):
                        bits[k // 8] &= ~(1 << k % 8) & 0xFF
            blocks[i] = bytes(bits)
    return b"".join(blocks)


def strip_modules(data, count_ret):
    """The modules' records without symbol streams; section contributions go by module index and stay."""
    out, at = b"", 0
    while at < len(data):
        head = bytearray(data[at:at + 64])
        end = data.index(b"\0", at + 64) + 1
        end = data.index(b"\0", end) + 1
        struct.pack_into("<H", head, 34, STREAM_NONE)
        struct.pack_into("<3I", head, 36, 0, 0, 0)  # symbols, C11 and C13 lines
        struct.pack_into("<H", head, 48, 0)         # source files
        struct.pack_into("<2I", head, 56, 0, 0)     # name indices into the string table
        names = data[at + 64:end].split(b"\0")[:2]
        names = [n.replace(b"\\", b"/").rsplit(b"/", 1)[-1] for n in names]
        out += pad4(bytes(head) + names[0] + b"\0" + names[1] + b"\0")
        at = end + (-(end) % 4)
        count_ret[0] += 1
    return out


def strip_publics(publics, symbols):
    """(publics stream, symbol records) with S_PUB32 records only; hash and address map follow them."""
    kept, moved, at = b"", {}, 0
    while at < len(symbols):
        size, kind = struct.unpack_from("<HH", symbols, at)
        if kind == S_PUB32:
            moved[at] = len(kept)
            kept += symbols[at:at + 2 + size]
        at += 2 + size
    hash_size, map_size = struct.unpack_from("<2I", publics)
    head, table = publics[:28], bytearray(publics[28:28 + hash_size])
    signature, version, records_size, _ = struct.unpack_from("<4I", table)
    if signature != 0xFFFFFFFF or version != 0xEFFE0000 + 19990810:
        sys.exit("pdbstrip: unknown publics hash")
    for k in range(16, 16 + records_size, 8):
        offset, refs = struct.unpack_from("<2I", table, k)
        struct.pack_into("<2I", table, k, moved[offset - 1] + 1, refs)
    rest = bytearray(publics[28 + hash_size:])
    for k in range(0, map_size, 4):
        struct.pack_into("<I", rest, k, moved[struct.unpack_from("<I", rest, k)[0]])
    return head + bytes(table) + bytes(rest), kept


def empty_globals():
    """A global hash with no records: header, then the (all zero) bitmap of buckets."""
    bitmap = b"\0" * (4 * ((HASH_BUCKETS + 32) // 32 + 1))
    return struct.pack("<4I", 0xFFFFFFFF, 0xEFFE0000 + 19990810, 0, len(bitmap)) + bitmap


def empty_types(stream):
    """The header of a type stream that holds no types."""
    head = bytearray(stream[:56])
    begin = struct.unpack_from("<I", head, 8)[0]
    struct.pack_into("<2I", head, 12, begin, 0)
    struct.pack_into("<2H", head, 20, STREAM_NONE, STREAM_NONE)
    struct.pack_into("<6I", head, 32, 0, 0, 0, 0, 0, 0)
    return bytes(head)


def empty_file_info(modules):
    """No source files: counts, then the two arrays by module."""
    return struct.pack("<HH", modules, 0) + b"\0\0" * modules * 2


def strip_dbi(dbi, streams):
    head = bytearray(dbi[:64])
    globals_at, = struct.unpack_from("<H", head, 12)
    publics_at, = struct.unpack_from("<H", head, 16)
    symbols_at, = struct.unpack_from("<H", head, 20)
    sizes = list(struct.unpack_from("<5i", head, 24))
    optional_size, ec_size = struct.unpack_from("<2i", head, 48)
    parts, at = [], 64
    for size in sizes + [ec_size, optional_size]:
        parts.append(dbi[at:at + size])
        at += size
    modules, contributions, section_map, _, type_server, ec, optional = parts
    old_modules, n = modules, [0]
    modules = strip_modules(modules, n)
    drop = set()
    k = 0
    while k < len(old_modules):
        stream, = struct.unpack_from("<H", old_modules, k + 34)
        if stream != STREAM_NONE:
            drop.add(stream)
        end = old_modules.index(b"\0", old_modules.index(b"\0", k + 64) + 1) + 1
        k = end + (-end % 4)
    for stream in drop:
        streams[stream] = None
    streams[publics_at], streams[symbols_at] = strip_publics(streams[publics_at], streams[symbols_at])
    streams[globals_at] = empty_globals()
    files = pad4(empty_file_info(n[0]))
    struct.pack_into("<5i", head, 24, len(modules), len(contributions), len(section_map), len(files), len(type_server))
    flags, = struct.unpack_from("<H", head, 56)
    struct.pack_into("<H", head, 56, flags | STRIPPED)
    ec = ec_names()
    struct.pack_into("<2i", head, 48, len(optional), len(ec))
    return bytes(head) + modules + contributions + section_map + files + type_server + ec + optional


def ec_names():
    """A string table that holds the empty string: signature, version, bytes, buckets, count."""
    return struct.pack("<3I", 0xEFFEEFFE, 1, 4) + b"\0\0\0\0" + struct.pack("<3I", 1, 0, 0)


def named_streams(info):
    """{name: stream} from the PDB info stream, whose hash map comes behind the GUID."""
    size, = struct.unpack_from("<I", info, 28)
    names, at = info[32:32 + size], 32 + size
    count, _, words = struct.unpack_from("<3I", info, at)
    at += 12 + 4 * words
    deleted, = struct.unpack_from("<I", info, at)
    at += 4 + 4 * deleted
    result = {}
    for _ in range(count):
        key, value = struct.unpack_from("<2I", info, at)
        result[names[key:names.index(b"\0", key)].decode()] = value
        at += 8
    return result


def main():
    keep_types = "--types" in sys.argv
    full, public = [a for a in sys.argv[1:] if a != "--types"]
    with open(full, "rb") as f:
        streams = read_msf(f.read())
    for name, stream in named_streams(streams[1]).items():
        if name == "/names":
            streams[stream] = ec_names()
        else:
            streams[stream] = b""
    streams[3] = strip_dbi(streams[3], streams)
    for index in (2, 4):
        hashes, = struct.unpack_from("<H", streams[index], 20)
        if not keep_types or index == 4:  # function ids and source lines are private
            if hashes != STREAM_NONE:
                streams[hashes] = None
            streams[index] = empty_types(streams[index])
    with open(public, "wb") as f:
        f.write(write_msf(streams))


if __name__ == "__main__":
    main()
