//go:build !linux

package app

// letGoOfTheStart is for systems where memory can be looked at from within.
func letGoOfTheStart() {}
