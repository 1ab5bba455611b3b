/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry point: sets up a stack and calls start() in arm64.c */
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
