/* SPDX-License-Identifier: GPL-2.0-only */
/* The header that multiboot looks for, a stack, and a call of start() in x86.c */
	.section .multiboot, "a"
	.long 0x1badb002, 0, -0x1badb002

	.text
	.globl _start
_start:	cli
	mov	$stack_end, %esp
	push	%ebx			/* what the loader has left */
	call	start
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	16384
stack_end:
