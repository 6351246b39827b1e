package kernel

import "golang.org/x/sys/cpu"

// assembly tells whether this processor, and the operating system that saves its
// registers, know AVX2 and FMA. The tests compare the two forms.
var assembly = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// wider tells whether they know AVX-512 as well, and BMI.
var wider = assembly && cpu.X86.HasAVX512F && cpu.X86.HasBMI1 && cpu.X86.HasBMI2

// The functions of kernel_amd64.s. Numbers are counted in elements, not bytes.

//go:noescape
func dot64(x, y *float64, n int) float64

//go:noescape
func distance64(x, y *float64, n int) float64

//go:noescape
func panel4x64(x *float64, inputs int, w *float64, stride int, bias, out *float64, step int)

//go:noescape
func panel4x32(x *float32, inputs int, w *float32, stride int, bias, out *float32, step int)

//go:noescape
func panel1x64(x *float64, inputs int, w *float64, stride int, bias, out *float64, panels int)

//go:noescape
func panel1x32(x *float32, inputs int, w *float32, stride int, bias, out *float32, panels int)

//go:noescape
func panel8x64(x *float64, inputs int, w *float64, stride int, bias, out *float64, step int, least float64)

//go:noescape
func sparse64(x *float64, rows, inputs int, w *float64, stride int, bias, out *float64, step int, least float64)

//go:noescape
func dots64(x *float64, rows, inputs int, w, bias, out *float64, step int)

//go:noescape
func expit64(x *float64, n int)

// The functions of kernel_single_amd64.s.

//go:noescape
func lanes32(x, w *float32, n int, sums *[8]float32)

//go:noescape
func ratio32(x *float32, n int, c *[17]float32)
