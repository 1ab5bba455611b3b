/* SPDX-License-Identifier: GPL-2.0-only */
/* The first instruction of all, a stack, and a call of start() in arm64.c */
	.section .start, "ax"
	.globl _start
_start:	ldr	x0, =stack_end
	mov	sp, x0
	bl	start
1:	wfi
	b	1b

	.bss
	.balign	16
	.skip	16384
stack_end:
