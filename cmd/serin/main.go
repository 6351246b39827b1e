// Command serin serves machine-learning models and releases their next
// versions as canaries. It has one file per command; errors.go maps what went
// wrong to an exit code, and nothing but main ends the process.
package main

import (
	"os"

	"serin/cmd/serin/term"
)

func main() {
	os.Exit(int(run(os.Args[1:], term.Console{Out: os.Stdout, Err: os.Stderr})))
}
