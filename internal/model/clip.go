package model

import "strings"

// Clip bounds a text from outside, a client's or a file's, that goes into a
// message: the first 100 bytes and "...", and as UTF-8. It is not quoted.
func Clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
