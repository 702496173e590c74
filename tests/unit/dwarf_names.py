#!/usr/bin/env python3
"""The names that src/fmt/dwarf_index must find, from llvm-dwarfdump's text, by the rules of its header.

  dwarf_names.py FILE [DWO ...]

Prints one line each, sorted: part where offset kind address-or-value flags qualified-name. Addresses of .dwo files
are not in their dump: "?".
"""
import re
import subprocess
import sys

LINE = re.compile(r"^0x([0-9a-f]+): ( *)(?:DW_TAG_(\w+)|NULL)")
TYPE_UNIT = re.compile(r"^0x([0-9a-f]+): Type Unit: .*type_signature = (0x[0-9a-f]+), type_offset = 0x([0-9a-f]+)")
ATTR = re.compile(r"^\s+DW_AT_(\w+)\s+\((.*?)\)?$")
TYPES = {"structure_type": "struct", "class_type": "class", "interface_type": "class", "union_type": "union",
         "enumeration_type": "enum", "typedef": "typedef", "template_alias": "typedef", "base_type": "base"}
SCOPES = {"namespace", "module"}
FLAGS = {"declaration", "external", "enum_class"}  # DWARF 2 and 3 have bytes for them
UNITS = {"compile_unit", "partial_unit", "type_unit", "skeleton_unit"}
C = {"DW_LANG_C89", "DW_LANG_C", "DW_LANG_C99", "DW_LANG_C11", "DW_LANG_C17", "DW_LANG_Mips_Assembler"}


SIGNATURES, TABLES = {}, {}


class Die:
    def __init__(self, off, tag, up, part, where):
        self.off, self.tag, self.up, self.part, self.where = off, tag, up, part, where
        self.at = {}
        self.kids = []


def dump(path, section, part, where):
    """Units of one section, and DIEs by offset."""
    text = subprocess.run(["llvm-dwarfdump", "--" + section, path], capture_output=True, text=True, check=True).stdout
    units, stack, by_off, die, last = [], [], {}, None, None
    TABLES[part, where] = by_off
    for line in text.splitlines():
        m = TYPE_UNIT.match(line)
        if m:
            SIGNATURES[m[2]] = where, int(m[1], 16) + int(m[3], 16)
        m = LINE.match(line)
        if m:
            depth = (len(m[2]) - 0) // 2
            del stack[depth:]
            if not m[3]:
                die = None
                continue
            die = Die(int(m[1], 16), m[3], stack[-1] if stack else None, part, where)
            if stack:
                stack[-1].kids.append(die)
            else:
                units.append(die)
            stack.append(die)
            by_off[die.off] = die
            continue
        m = die and ATTR.match(line)
        if m:
            last = m[1]
            die.at[last] = "true" if last in FLAGS and m[2] == "0x01" else m[2]
        elif die and last == "ranges" and line.strip().startswith("["):
            die.at["first_range"] = die.at.get("first_range") or line
    return units, by_off


def string(die, attr="name"):
    m = re.search(r'"(.*)"', die.at.get(attr, ""))
    return m[1].replace('\\"', '"') if m else ""


def named(die):
    """A name of its own, or that of the type unit that it stands for."""
    where, off = SIGNATURES.get(die.at.get("signature"), (None, None))
    return string(die) or (string(TABLES[die.part, where][off]) if off is not None else "")


def refer(die, by_off):
    """The declaration with the name, and whether one on the way was external."""
    external = False
    for _ in range(16):
        ref = die.at.get("specification") or die.at.get("abstract_origin") or die.at.get("extension")
        external |= die.at.get("external") == "true"
        if not ref:
            return die, external
        die = by_off.get(int(re.match(r"0x([0-9a-f]+)", ref)[1], 16))
        if die is None:
            return None, external
    return None, external


def scope(die, by_off):
    """Names of what is around a DIE, from the outside in; None inside of a function that has no names."""
    out = []
    up = die.up
    while up is not None and up.tag not in UNITS:
        d, _ = refer(up, by_off)
        if up.tag in SCOPES:
            out.append(string(d) or "(anonymous namespace)")
            up = d.up if d is not up else up.up
            continue
        if up.tag in ("structure_type", "class_type", "union_type", "interface_type"):
            if named(d):
                out.append(named(d))
            up = d.up if d is not up else up.up
            continue
        if up.tag == "enumeration_type" and die.tag == "enumerator":
            if string(d) and up.at.get("enum_class") == "true":
                out.append(string(d))
            up = d.up if d is not up else up.up
            continue
        up = up.up
    return out[::-1]


def number(text):
    return int(text, 0) & (1 << 64) - 1


def first_range(die):
    m = re.search(r"\[0x([0-9a-f]+),", die.at.get("first_range", ""))
    return int(m[1], 16) if m else None


def address_tables(path):
    """Lists of .debug_addr by the offset of their first entry."""
    text = subprocess.run(["llvm-dwarfdump", "--debug-addr", path], capture_output=True, text=True).stdout
    out, at = {}, 0
    for m in re.finditer(r"Address table header: length = 0x(\w+).*?\nAddrs: \[\n(.*?)\]", text, re.S):
        out[at + 8] = [int(x, 16) for x in m[2].split()]
        at += 4 + int(m[1], 16)
    return out


def unit_of(die):
    while die.up is not None:
        die = die.up
    return die


def location(die, tables):
    """Address, thread-local."""
    text = die.at["location"]
    if re.search(r"push_tls_address|form_tls_address|<decoding error> a2 .*9b$", text):
        return 0, True
    base = unit_of(die).at.get("addr_base")
    m = re.match(r"DW_OP_addrx 0x([0-9a-f]+)$", text)
    if m and base:
        return tables[int(base, 16)][int(m[1], 16)], False
    m = re.match(r"DW_OP_addr 0x([0-9a-f]+)$", text)
    return (int(m[1], 16) if m else "?" if re.match(r"DW_OP_(GNU_)?addr_?(index|x)", text) else 0), False


def entry(die, by_off, in_class, tables):
    """(kind, value, flags) of a DIE that is collected."""
    at, tag = die.at, die.tag
    decl = at.get("declaration") == "true"
    if tag in TYPES:
        return TYPES[tag], number(at.get("byte_size", "0")) if TYPES[tag] != "typedef" else 0, {"decl"} if decl else set()
    if tag == "enumerator":
        return "enumerator", number(at.get("const_value", "0")), set()
    if tag not in ("subprogram", "variable") or (in_class and decl):
        return None
    _, external = refer(die, by_off)
    flags = {"external"} if external else set()
    if tag == "variable":
        addr, tls = location(die, tables) if "location" in at else (0, False)
        return "var", addr, flags | ({"tls"} if tls else set()) | ({"decl"} if decl else set())
    if "low_pc" in at:
        m = re.search(r"0x([0-9a-f]+)", at["low_pc"]) if "indexed" not in at["low_pc"] else None
        if m and int(m[1], 16) < LOWEST:
            return None
        return "func", int(m[1], 16) if m else "?", flags
    if "ranges" in at:
        return "func", first_range(die) or "?", flags
    if decl:
        return None if "specification" in at or "abstract_origin" in at else ("func", 0, flags | {"decl"})
    return ("func", 0, flags | {"inlined"}) if at.get("inline", "").endswith("inlined") and "not_inlined" not in at["inline"] \
        else None


def walk(die, by_off, c, in_class, tables, out):
    for kid in die.kids:
        e = entry(kid, by_off, in_class, tables)
        if e:
            d, _ = refer(kid, by_off)
            name = d is not None and named(d)
            if name:
                out.append((kid, *e, "::".join(scope(d, by_off) + [name])))
        composite = kid.tag in ("structure_type", "class_type", "union_type", "interface_type")
        if kid.tag in SCOPES or kid.tag == "enumeration_type" or (composite and not c):
            walk(kid, by_off, c, composite, tables, out)


def family(kind):
    return "struct" if kind in ("class", "union") else kind


def weakness(e):
    _, kind, value, flags, _ = e
    return 2 if "decl" in flags else 1 if "inlined" in flags or (kind == "var" and value == 0 and "tls" not in flags) else 0


def merge(found):
    kept, out = {}, []
    for weak in range(3):
        for e in found:
            if weakness(e) != weak:
                continue
            _, kind, value, _, name = e
            same = kept.setdefault((family(kind), name), [])
            if weak and same:
                continue
            if value != "?" and (kind, value) in same:
                continue
            same.append((kind, value))
            out.append(e)
    return out


LOWEST = 1


def main():
    global LOWEST
    main_file, *dwos = sys.argv[1:]
    LOWEST = 0x400
    found = []
    tables = address_tables(main_file)
    for part, path in enumerate([main_file, *dwos]):
        dumped = []
        for where, section in enumerate(["debug-info", "debug-types"]):
            dumped.append(dump(path, section, part, where))
        for units, by_off in dumped:
            for u in units:
                walk(u, by_off, u.at.get("language") in C, False, tables, found)
    lines = [f"{d.part} {d.where} {d.off:#x} {kind} {value if value == '?' else hex(value)}{''.join(' ' + f for f in sorted(flags))} | {name}"
             for d, kind, value, flags, name in merge(found)]
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
