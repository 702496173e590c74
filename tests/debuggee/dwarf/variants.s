# What rustc says of
#	enum Shape { Circle { r: u32 }, Rect(u32, u32), Empty }		a tag in front
#	Option<&u32>							None is the pointer's 0
# and one object for each variant.
# Its functions have rustc's names, of either kind.
	.text
	.globl main
	.type main, @function
main:
	call _RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_
	xorl %eax, %eax
	ret
	.size main, .-main
	.type _RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_, @function
_RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_:
	call _ZN8variants4work17h0123456789abcdefE
	ret
	.size _RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_, .-_RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_
	.type _ZN8variants4work17h0123456789abcdefE, @function
_ZN8variants4work17h0123456789abcdefE:
	movl $1, %eax
	ret
	.size _ZN8variants4work17h0123456789abcdefE, .-_ZN8variants4work17h0123456789abcdefE
.Ltext_end:
	.data
	.balign 8
	.macro object name, size
	.globl \name
	.type \name, @object
	.size \name, \size
\name:
	.endm
	object a_circle, 12
	.long 0, 5, 0
	object a_rect, 12
	.long 1, 3, 4
	object a_empty, 12
	.long 2, 0, 0
	object a_odd, 12
	.long 77, 1, 2
	object a_some, 8
	.quad a_rect
	object a_none, 8
	.quad 0

	.section .debug_abbrev, "", @progbits
	.uleb128 1, 0x11			# compile unit
	.byte 1
	.uleb128 0x03, 0x08, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x07, 0, 0
	.uleb128 2, 0x24			# base type
	.byte 0
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0
	.uleb128 3, 0x13			# structure
	.byte 1
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
	.uleb128 4, 0x33			# variant part
	.byte 1
	.uleb128 0x15, 0x13, 0, 0
	.uleb128 5, 0x0d			# member: the tag
	.byte 0
	.uleb128 0x49, 0x13, 0x38, 0x0b, 0x34, 0x19, 0, 0
	.uleb128 6, 0x19			# variant of a number
	.byte 1
	.uleb128 0x16, 0x0b, 0, 0
	.uleb128 7, 0x19			# the variant of all other numbers
	.byte 1
	.uleb128 0, 0
	.uleb128 8, 0x0d			# member
	.byte 0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0
	.uleb128 9, 0x34			# variable
	.byte 0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x3f, 0x19, 0x02, 0x18, 0, 0
	.uleb128 10, 0x0f			# pointer
	.byte 0
	.uleb128 0x49, 0x13, 0, 0
	.uleb128 11, 0x13			# structure without members
	.byte 0
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
	.byte 0

	.macro member name, type, at
	.uleb128 8
	.asciz "\name"
	.long \type - .Linfo
	.byte \at
	.endm
	.macro variable name, type, at
	.uleb128 9
	.asciz "\name"
	.long \type - .Linfo
	.uleb128 9				# DW_OP_addr
	.byte 3
	.quad \at
	.endm

	.section .debug_info, "", @progbits
.Linfo:	.long .Linfo_end - .Linfo_start
.Linfo_start:
	.value 4
	.long .debug_abbrev
	.byte 8
	.uleb128 1
	.asciz "variants.rs"
	.byte 0x1c				# Rust
	.quad main
	.quad .Ltext_end - main
.Lu32:	.uleb128 2
	.asciz "u32"
	.byte 4, 7
.Lu64:	.uleb128 2
	.asciz "u64"
	.byte 8, 7
.Lpointer: .uleb128 10
	.long .Lu32 - .Linfo
.Lt_circle: .uleb128 3
	.asciz "Circle"
	.byte 12
	member r, .Lu32, 4
	.byte 0
.Lt_rect:	.uleb128 3
	.asciz "Rect"
	.byte 12
	member __0, .Lu32, 4
	member __1, .Lu32, 8
	.byte 0
.Lt_empty: .uleb128 11
	.asciz "Empty"
	.byte 12
.Lshape:	.uleb128 3
	.asciz "Shape"
	.byte 12
	.uleb128 4
	.long .Lshape_tag - .Linfo
.Lshape_tag: .uleb128 5
	.long .Lu32 - .Linfo
	.byte 0
	.uleb128 6
	.byte 0
	member Circle, .Lt_circle, 0
	.byte 0
	.uleb128 6
	.byte 1
	member Rect, .Lt_rect, 0
	.byte 0
	.uleb128 6
	.byte 2
	member Empty, .Lt_empty, 0
	.byte 0
	.byte 0, 0
.Lt_none:	.uleb128 11
	.asciz "None"
	.byte 8
.Lt_some:	.uleb128 3
	.asciz "Some"
	.byte 8
	member __0, .Lpointer, 0
	.byte 0
.Loption:	.uleb128 3
	.asciz "Option<&u32>"
	.byte 8
	.uleb128 4
	.long .Loption_tag - .Linfo
.Loption_tag: .uleb128 5
	.long .Lu64 - .Linfo
	.byte 0
	.uleb128 6
	.byte 0
	member None, .Lt_none, 0
	.byte 0
	.uleb128 7
	member Some, .Lt_some, 0
	.byte 0
	.byte 0, 0
	variable a_circle, .Lshape, a_circle
	variable a_rect, .Lshape, a_rect
	variable a_empty, .Lshape, a_empty
	variable a_odd, .Lshape, a_odd
	variable a_some, .Loption, a_some
	variable a_none, .Loption, a_none
	.byte 0
.Linfo_end:
	.section .note.GNU-stack, "", @progbits
