package store

// childDir is the variable that makes the test binary a child.
const childDir = "SERIN_STORE_CHILD"

func child(string) {}
