# What the tests of the disassembly and stack commands look at: a function in two pieces, calls of
# three kinds, an interrupt handler's frame, a function without unwind data, a switch in each of two
# forms (clang's and Microsoft's).
	.intel_syntax noprefix
	.text
	.globl outer
	.seh_proc outer
outer:
	push rbx
	.seh_pushreg rbx
	sub rsp, 0x20
	.seh_stackalloc 0x20
	.seh_endprologue
	mov ebx, ecx
	test ecx, ecx
	je .Lcold
.Lback:
	call inner
	call qword ptr [rip + pointer]
	call rax
	mov rax, qword ptr gs:[0x188]
	mov rdx, qword ptr [rip + pointer]
	add rsp, 0x20
	pop rbx
	ret
	.fill 8, 1, 0xcc
	.seh_startchained
	.seh_endprologue
.Lcold:
	xor eax, eax
	jmp .Lback
	.seh_endchained
	.seh_endproc

	.p2align 4, 0xcc
	.globl inner
inner:
	lea eax, [rcx + 1]
	int 3
	cmp eax, 5
	jne .Lout
	jmp outer
.Lout:
	ret
	.p2align 4, 0xcc

	.globl handler
	.seh_proc handler
handler:
	.seh_pushframe
	push rbp
	.seh_pushreg rbp
	sub rsp, 0x30
	.seh_stackalloc 0x30
	.seh_endprologue
	call inner
	nop
	add rsp, 0x30
	pop rbp
	iretq
	.seh_endproc

	.p2align 4, 0xcc
	.globl entry
entry:
	ret
	.p2align 4, 0xcc

	.globl chooser
	.seh_proc chooser
chooser:
	.seh_endprologue
	lea rdx, [rip + .Ltable]
	movsxd rax, dword ptr [rdx + 4*rcx]
	add rax, rdx
	jmp rax
.Lfirst:
	xor eax, eax
	ret
.Lsecond:
	mov eax, ecx
	ret
	.p2align 2, 0xcc
.Ltable:
	.long .Lfirst - .Ltable, .Lsecond - .Ltable
	.seh_endproc
	.p2align 4, 0xcc

	.globl picker
	.seh_proc picker
picker:
	.seh_endprologue
	lea rdx, [rip + __ImageBase]
	mov eax, dword ptr [rdx + 4*rcx + .Lrows@IMGREL]
	add rax, rdx
	jmp rax
.Lthird:
	xor eax, eax
	ret
.Lfourth:
	mov eax, ecx
	ret
	.p2align 2, 0xcc
.Lrows:
	.long .Lthird@IMGREL, .Lfourth@IMGREL
	.seh_endproc
	.p2align 4, 0xcc

	.data
	.globl pointer
pointer:
	.quad inner
