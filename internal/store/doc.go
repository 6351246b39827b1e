// Package store is the memory: what must be the same after a restart, in one
// directory, or in PostgreSQL where several replicas share it. What follows is of
// the directory; the last section is of PostgreSQL.
//
//	serin.db        SQLite: the journal, the evidence of rollouts in progress,
//	                the monitor's looks at the latest rollouts, and memos
//	serin.db-wal    its write-ahead log, while the store is open or was killed
//	head.json       the end of the journal and every model's state, with a checksum
//	artifacts/      the bytes of each version, by SHA-256
//	lock            locked while the store is open; holds the process id
//
// # Model
//
// The journal is the truth. Each row is one event with the state after it; the
// state of a model is that of its last row, so the two cannot disagree. Rows
// are chained: each has the SHA-256 of the row before and of all its own
// columns. Evidence is replaced each second and carries its own checksum. An
// artifact's name is its checksum.
//
// Looks are for explaining, not for serving: what the monitor saw each ten
// seconds and what it found, so that a decision can be judged again look by
// look. Each has its own checksum, and their numbers have no gaps. They are the
// only thing that is let go of, so that they take bounded space. The plan by
// which they were judged is in the journal, in the state after the deploy.
//
//	row 1 <--hash-- row 2 <--hash-- ... <--hash-- row n <--hash-- head.json
//
// # Order of durable steps
//
//	Commit        row and evidence in one transaction, WAL synced    <- it has happened
//	              head.json.tmp written, synced, renamed, directory synced
//	SaveEvidence  evidence in one transaction, WAL synced
//	SaveLook      evidence and look in one transaction, WAL synced
//	SwapMemo      memo in one transaction, WAL synced
//	Ingest        copied and hashed, synced, renamed to its hash, directory synced
//
// Commit returns after the last of its steps, so head.json is at most one row
// behind, and only where the process ended in between. Open then writes it.
//
// # What survives what
//
//	kill -9, power failure   everything acknowledged; what was not is wholly there or not at all
//	full or failing disk     the call fails, what was committed stays, and the next call works once the disk does
//	flipped bit              found at Open, told with the file, and refused: *Damage
//	flipped bit in a look    found when that look is read; it serves all the same
//	lost or older file       refused, unless all files are of the same older moment: then it is a backup
//	second process           refused: ErrLocked
//
// A memo is a small thing under a name, which somebody other than the pilot must
// know after a restart; it has its own checksum, and is checked when it is read.
//
// A look is nearly all contents. The few bits of it that hold SQLite's pages
// together are found at Open and refused, as are those still in the WAL: nobody
// can tell whose pages they would have led to.
//
// Two things are beyond it. The very last save of evidence or of a look (not of a
// row) may be lost unseen to a flipped bit; and a WAL that somebody cuts short
// after a crash loses the evidence and the looks, never the rows, that were in
// the part cut off.
//
// # When a commit fails half-way
//
// If the transaction fails before COMMIT, nothing is there. If COMMIT itself
// fails, SQLite goes back, but the row may be complete in the WAL, where the
// next start would find it. So the store does at once what the next start
// would do: it opens the directory again and reads all of it. If the row is
// there, it is made durable and Commit has succeeded; if not, Commit has failed.
// If the disk does not even let it look, Commit returns ErrUnsettled, every
// call tries again, and the first that can look goes on from what is there;
// State then tells the caller which it was.
//
// If the row is committed and head.json cannot be written, Commit succeeds: the
// row is durable. No further write is accepted until the head has caught up,
// so it never falls two rows behind; SaveEvidence reports that within a second.
// A save that fails is not looked into: the next one is cumulative, and takes
// its number from what is there.
//
// # Shared
//
// With a URL all of it is in the tables of a PostgreSQL, the same ones as in SQLite
// and with the same rows, chain and checksums (tables.go), and the directory is
// left with copies of artifacts and the lock. Instead of head.json there is a row:
//
//	replica --+                +-- head: seq and hash; who commits has its lock
//	replica --+--> one chain --+-- models: generation, rollout, last row of each
//	replica --+                +-- gauges, replicas, leaders: who observed what, who lives
//
// Nothing is kept in memory of what others may change. A commit takes the lock of
// the head, compares the generation with what is there by then, adds its row and
// moves the head, in one transaction: of several who commit the same generation one
// does, the others get ErrStale.
//
// A COMMIT that is not answered may have happened, or may still happen while it is
// on its way. Until that is over it holds the lock; so the store settles it by taking
// the lock itself and looking, and says ErrUnsettled until it has got it. It commits
// something itself before it says what it saw: what the server has and its synchronous
// standby has not is no more durable than what was never sent. For the same reason a
// COMMIT that comes with a warning is one without an answer. A replica
// that is silent in the middle of a transaction loses it after two seconds, so that
// nobody is kept waiting by the dead.
//
// Who leads is not asked of the server's clock, which may be stepped: another replica's
// lead has run out when it was not renewed for five seconds of one's own.
//
// The chain is checked from end to end by Verify and not at each start; a row
// and its evidence are checked whenever they are read.
//
// # What may not happen
//
// Starting empty where there was something. Going on with a file that is not
// what was written. Half a commit. A row that is in memory but not on the
// disk, or that cannot be read back. A failed commit that is there later.
//
// Terms: a row is an entry as it is stored; the head is the place of the last
// row and its hash; to settle is to find out what a failed commit left; a look is
// one judgement of the monitor.
package store
