CREATE TABLE looks (
	id       INTEGER PRIMARY KEY,
	model    TEXT NOT NULL,
	rollout  TEXT NOT NULL,
	number   INTEGER NOT NULL,
	at       TEXT NOT NULL,
	finding  TEXT NOT NULL,
	detail   TEXT NOT NULL,
	evidence BLOB NOT NULL,
	checksum BLOB NOT NULL,
	UNIQUE (model, rollout, number)
) STRICT;
