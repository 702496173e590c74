# A program whose debug information is so large that its index is made in the background and kept on disk: a needle
# in a haystack of structures (straws.py), with functions and a variable that the symbol table has too.
	.text
	.globl main
	.type main, @function
main:
	movl $1, needle(%rip)
	call find
	xorl %eax, %eax
	ret
	.size main, .-main
	.globl find
	.type find, @function
find:
	movl needle(%rip), %eax
	ret
	.size find, .-find
.Lend:
	.data
	.globl needle
	.type needle, @object
	.size needle, 4
	.balign 4
needle:
	.long 0
.Lhidden:
	.long 2
	.section .note.GNU-stack,"",@progbits

	.section .debug_abbrev,"",@progbits
	.macro abbrev number, tag, children
	.uleb128 \number, \tag
	.byte \children
	.endm
	.macro has attribute, form
	.uleb128 \attribute, \form
	.endm
	.set string, 0x08
	.set data1, 0x0b
	.set ref1, 0x11
	.set address, 0x01
	.set data8, 0x07
	.set exprloc, 0x18
	.set flag_present, 0x19
	abbrev 1, 0x11, 1 # compile_unit: name, language, low_pc, high_pc
	has 0x03, string
	has 0x13, data1
	has 0x11, address
	has 0x12, data8
	has 0, 0
	abbrev 2, 0x24, 0 # base_type: byte_size, encoding, name
	has 0x0b, data1
	has 0x3e, data1
	has 0x03, string
	has 0, 0
	abbrev 3, 0x13, 1 # structure_type: name, byte_size
	has 0x03, string
	has 0x0b, data1
	has 0, 0
	abbrev 4, 0x0d, 0 # member: name, type, data_member_location
	has 0x03, string
	has 0x49, ref1
	has 0x38, data1
	has 0, 0
	abbrev 5, 0x34, 0 # variable: name, type, external, location
	has 0x03, string
	has 0x49, ref1
	has 0x3f, flag_present
	has 0x02, exprloc
	has 0, 0
	abbrev 6, 0x2e, 0 # subprogram: name, type, external, low_pc, high_pc
	has 0x03, string
	has 0x49, ref1
	has 0x3f, flag_present
	has 0x11, address
	has 0x12, data8
	has 0, 0
	.byte 0

	.section .debug_info,"",@progbits
.Lunit:
	.long .Lunit_end - .Lunit_begin
.Lunit_begin:
	.value 4
	.long .debug_abbrev
	.byte 8
	.uleb128 1
	.asciz "haystack.s"
	.byte 0x0c # C99
	.quad main
	.quad .Lend - main
	.if . - .Lunit - 0x28
	.error "straws.py has another place of int"
	.endif
	.uleb128 2
	.byte 4, 5
	.asciz "int"
	.uleb128 6
	.asciz "find"
	.byte 0x28
	.quad find
	.quad .Lend - find
	.uleb128 5
	.asciz "needle"
	.byte 0x28
	.uleb128 9
	.byte 3
	.quad needle
	.uleb128 5
	.asciz "hidden_needle"
	.byte 0x28
	.uleb128 9
	.byte 3
	.quad .Lhidden
	.incbin "straws"
	.byte 0
.Lunit_end:
