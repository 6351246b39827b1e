package model

import (
	"strconv"
	"strings"
)

// Clip bounds a text from outside, a client's or a file's, that goes into a
// message: the first 100 bytes and "...", and as UTF-8. It is not quoted.
func Clip(s string) string { return strings.ToValidUTF8(start(s), "") }

// Quote is Clip in quotation marks; bytes that are no UTF-8 are shown as numbers.
func Quote(s string) string { return strconv.Quote(start(s)) }

func start(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
