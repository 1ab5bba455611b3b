/* SPDX-License-Identifier: GPL-2.0-only */
/* The multiboot header; sets up a stack and calls start() in x86.c */
	.section .multiboot, "a"
	.long 0x1badb002, 0, -0x1badb002

	.text
	.globl _start
_start:	cli
	mov	$stack_end, %esp
	push	%ebx			/* struct multiboot, from the loader */
	call	start
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	16384
stack_end:
