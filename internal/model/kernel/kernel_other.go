//go:build !amd64

package kernel

// assembly is off: plain.go does everything, and the functions below are never called.
const assembly = false

const wider = false

func dot64(_, _ *float64, _ int) float64 { return 0 }

func distance64(_, _ *float64, _ int) float64 { return 0 }

func panel4x64(_ *float64, _ int, _ *float64, _ int, _, _ *float64, _ int) {}

func panel4x32(_ *float32, _ int, _ *float32, _ int, _, _ *float32, _ int) {}

func panel1x64(_ *float64, _ int, _ *float64, _ int, _, _ *float64, _ int) {}

func panel1x32(_ *float32, _ int, _ *float32, _ int, _, _ *float32, _ int) {}

func panel8x64(_ *float64, _ int, _ *float64, _ int, _, _ *float64, _ int, _ float64) {}

func sparse64(_ *float64, _, _ int, _ *float64, _ int, _, _ *float64, _ int, _ float64) {}

func dots64(_ *float64, _, _ int, _, _, _ *float64, _ int) {}

func expit64(_ *float64, _ int) {}

func lanes32(_, _ *float32, _ int, _ *[8]float32) {}

func ratio32(_ *float32, _ int, _ *[17]float32) {}
