#!/usr/bin/env python3
"""straws.py COUNT: structures straw0, straw1 ... as entries of .debug_info, for haystack.s to include.

Compilers take minutes to make as many. Numbers of abbreviations and the place of int are haystack.s's.
"""
import sys

STRUCT, MEMBER, INT = 3, 4, 0x28
out = bytearray()
for i in range(int(sys.argv[1])):
    out += b"%cstraw%d\0%c" % (STRUCT, i, 4)        # name, byte_size
    out += b"%cof_%d\0%c%c\0" % (MEMBER, i, INT, 0)  # name, type, data_member_location; the end of the members
sys.stdout.buffer.write(out)
