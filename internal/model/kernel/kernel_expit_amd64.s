#include "textflag.h"

// plainExpit with AVX2 and FMA. Its numbers, four times each.

#define FOUR(name, number) \
	DATA name<>+0(SB)/8, number \
	DATA name<>+8(SB)/8, number \
	DATA name<>+16(SB)/8, number \
	DATA name<>+24(SB)/8, number \
	GLOBL name<>(SB), RODATA|NOPTR, $32

FOUR(sign, $0x8000000000000000)
FOUR(expMost, $0x4086300000000000)
FOUR(expLeast, $0xc085e00000000000)
FOUR(log2e, $0x3ff71547652b82fe)
FOUR(rounder, $0x4338000000000000)
FOUR(ln2, $0x3fe62e42fefa39ef)
FOUR(ln2Rest, $0x3c7abc9e3b39803f)
FOUR(exponent, $0x00000000000003fe)
FOUR(one, $0x3ff0000000000000)
FOUR(taylor13, $0x3de6124613a86d09) // 1/13!
FOUR(taylor12, $0x3e21eed8eff8d898) // 1/12!
FOUR(taylor11, $0x3e5ae64567f544e4) // 1/11!
FOUR(taylor10, $0x3e927e4fb7789f5c) // 1/10!
FOUR(taylor9, $0x3ec71de3a556c734) // 1/9!
FOUR(taylor8, $0x3efa01a01a01a01a) // 1/8!
FOUR(taylor7, $0x3f2a01a01a01a01a) // 1/7!
FOUR(taylor6, $0x3f56c16c16c16c17) // 1/6!
FOUR(taylor5, $0x3f81111111111111) // 1/5!
FOUR(taylor4, $0x3fa5555555555555) // 1/4!
FOUR(taylor3, $0x3fc5555555555555) // 1/3!
FOUR(taylor2, $0x3fe0000000000000) // 1/2!

// func expit64(x *float64, n int)
// n is a multiple of 4 and above 0.
TEXT ·expit64(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VMOVUPD sign<>(SB), Y8
	VMOVUPD expMost<>(SB), Y9
	VMOVUPD expLeast<>(SB), Y10
	VMOVUPD rounder<>(SB), Y11
	VMOVUPD one<>(SB), Y12
	VMOVUPD log2e<>(SB), Y13
	VMOVUPD ln2<>(SB), Y14
	VMOVUPD ln2Rest<>(SB), Y15

next:
	VXORPD (SI), Y8, Y0 // y = -x
	VMINPD Y0, Y9, Y0   // of a NaN and a number these take the operand that is named first
	VMAXPD Y0, Y10, Y0
	VMOVAPD Y11, Y1
	VFMADD231PD Y0, Y13, Y1 // t
	VSUBPD Y11, Y1, Y2      // n
	VFNMADD231PD Y2, Y14, Y0
	VFNMADD231PD Y2, Y15, Y0 // r
	VMULPD Y0, Y0, Y3        // square
	VMOVUPD taylor13<>(SB), Y4 // odd
	VMOVUPD taylor12<>(SB), Y5 // even
	VFMADD213PD taylor11<>(SB), Y3, Y4
	VFMADD213PD taylor10<>(SB), Y3, Y5
	VFMADD213PD taylor9<>(SB), Y3, Y4
	VFMADD213PD taylor8<>(SB), Y3, Y5
	VFMADD213PD taylor7<>(SB), Y3, Y4
	VFMADD213PD taylor6<>(SB), Y3, Y5
	VFMADD213PD taylor5<>(SB), Y3, Y4
	VFMADD213PD taylor4<>(SB), Y3, Y5
	VFMADD213PD taylor3<>(SB), Y3, Y4
	VFMADD213PD taylor2<>(SB), Y3, Y5
	VFMADD231PD Y4, Y0, Y5
	VFMADD231PD Y5, Y3, Y0
	VADDPD Y12, Y0, Y0 // exp(r)
	VPADDQ exponent<>(SB), Y1, Y1
	VPSLLQ $52, Y1, Y1 // 2^(n-1)
	VMULPD Y1, Y0, Y0
	VADDPD Y0, Y0, Y0
	VADDPD Y12, Y0, Y0
	VDIVPD Y0, Y12, Y0
	VMOVUPD Y0, (SI)
	ADDQ $32, SI
	SUBQ $4, CX
	JNZ  next

	VZEROUPPER
	RET

// func dots64(x *float64, rows, inputs int, w, bias, out *float64, step int)
// dot64 of one row of weights with many rows, one after the other.
TEXT ·dots64(SB), NOSPLIT, $0-56
	MOVQ x+0(FP), SI
	MOVQ rows+8(FP), R8
	MOVQ inputs+16(FP), BX
	MOVQ w+24(FP), R9
	MOVQ bias+32(FP), R10
	MOVQ out+40(FP), R11
	MOVQ step+48(FP), R12
	SHLQ $3, R12
	VMOVSD (R10), X8
	VXORPD Y9, Y9, Y9

row:
	MOVQ R9, DI
	MOVQ BX, CX
	VXORPD Y0, Y0, Y0
	SUBQ $16, CX
	JLT  short
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3

block: // four registers at a time
	VMOVUPD (SI), Y4
	VMOVUPD 32(SI), Y5
	VMOVUPD 64(SI), Y6
	VMOVUPD 96(SI), Y7
	VFMADD231PD (DI), Y4, Y0
	VFMADD231PD 32(DI), Y5, Y1
	VFMADD231PD 64(DI), Y6, Y2
	VFMADD231PD 96(DI), Y7, Y3
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $16, CX
	JGE  block

	ADDQ $12, CX
	JLT  fold

register: // one at a time
	VMOVUPD (SI), Y4
	VFMADD231PD (DI), Y4, Y0
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $4, CX
	JGE  register

fold: // the sums of all registers
	VADDPD Y1, Y0, Y0
	VADDPD Y3, Y2, Y2
	VADDPD Y2, Y0, Y0
	JMP  lanes

short: // the other registers would be 0
	ADDQ $12, CX
	JLT  alone

shorter:
	VMOVUPD (SI), Y4
	VFMADD231PD (DI), Y4, Y0
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $4, CX
	JGE  shorter

alone:
	VADDPD Y9, Y0, Y0

lanes:
	VEXTRACTF128 $1, Y0, X1
	VADDPD X1, X0, X0
	VUNPCKHPD X0, X0, X1
	VADDSD X1, X0, X0
	ADDQ $4, CX
	JZ   done

last: // number by number
	VMOVSD (SI), X4
	VFMADD231SD (DI), X4, X0
	ADDQ $8, SI
	ADDQ $8, DI
	DECQ CX
	JNZ  last

done:
	VADDSD X8, X0, X0
	VMOVSD X0, (R11)
	ADDQ R12, R11
	DECQ R8
	JNZ  row

	VZEROUPPER
	RET
