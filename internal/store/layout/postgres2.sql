CREATE TABLE memos (
	name     TEXT PRIMARY KEY,
	data     BYTEA NOT NULL,
	checksum BYTEA NOT NULL
);
