//go:build !race

package steps

// racing tells whether the race detector is on.
const racing = false
