package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// migrations[n] brings a database of version n to version n+1; an empty file
// has version 0. They are history: append, never edit.
var migrations = []string{
	// Predictions are small rows apart from their objects, so that reading the
	// whole index reads little, in the order of the ids. Objects have a key of
	// their own and are appended: under random ids they would fill half pages.
	// What many rows share is told once, in kind. The checks keep damaged values
	// out of a rescued file.
	`
	CREATE TABLE meta (identity TEXT NOT NULL) STRICT;
	CREATE TABLE kind (
		n          INTEGER PRIMARY KEY,
		model      TEXT NOT NULL,
		version    TEXT NOT NULL,
		status     TEXT NOT NULL,
		source     TEXT NOT NULL,
		deployment TEXT NOT NULL,
		UNIQUE (model, version, status, source, deployment)
	) STRICT;
	CREATE TABLE prediction (
		id        TEXT PRIMARY KEY,
		kind      INTEGER NOT NULL,
		created   INTEGER NOT NULL,
		completed INTEGER NOT NULL,
		flags     INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 255),
		rank      INTEGER NOT NULL CHECK (rank BETWEEN 0 AND 5),
		raw       INTEGER
	) STRICT, WITHOUT ROWID;
	CREATE TABLE raw (
		n    INTEGER PRIMARY KEY,
		body BLOB NOT NULL
	) STRICT;
	CREATE TABLE output (
		id       TEXT NOT NULL,
		name     TEXT NOT NULL,
		size     INTEGER NOT NULL,
		type     TEXT NOT NULL,
		etag     TEXT NOT NULL,
		modified INTEGER NOT NULL,
		gone     INTEGER NOT NULL CHECK (gone IN (0, 1)),
		spooled  INTEGER NOT NULL CHECK (spooled IN (0, 1)),
		PRIMARY KEY (id, name)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE document (
		key     TEXT PRIMARY KEY,
		body    BLOB NOT NULL,
		changed INTEGER NOT NULL
	) STRICT;
	CREATE TABLE run (
		id         TEXT PRIMARY KEY,
		model      TEXT NOT NULL,
		version    TEXT NOT NULL,
		deployment TEXT NOT NULL,
		input      BLOB NOT NULL,
		started    INTEGER NOT NULL,
		prediction TEXT NOT NULL,
		state      TEXT NOT NULL,
		note       TEXT NOT NULL
	) STRICT;
	CREATE TABLE news (
		n  INTEGER PRIMARY KEY,
		id TEXT NOT NULL
	) STRICT;
	`,
	// A prediction that was last seen running and next seen expired has two
	// objects worth keeping.
	`ALTER TABLE raw ADD COLUMN aside BLOB`,
	// What many predictions look like is told once, as with kinds, and held in
	// memory, so that walking an account reads no object.
	`
	CREATE TABLE layout (
		n    INTEGER PRIMARY KEY,
		text TEXT NOT NULL UNIQUE
	) STRICT;
	ALTER TABLE prediction ADD COLUMN layout INTEGER;
	`,
}

// source is the name of a database for database/sql. Every connection waits
// for the writer of another process rather than fail, and readers never wait:
// that is what WAL is for.
func source(path, synchronous string, write bool) string {
	q := url.Values{"mode": {"rw"}, "_pragma": {
		"busy_timeout(10000)",
		"journal_mode(WAL)",
		"synchronous(" + synchronous + ")",
		// a first listing would otherwise leave a log of its full size behind
		"journal_size_limit(16777216)",
		"temp_store(MEMORY)",
	}}
	if write {
		// ids are random, so an insertion lands anywhere in the index
		q.Add("_pragma", "cache_size(-8000)")
		if synchronous == "FULL" {
			// somebody waits for this commit; the next bulk one writes the log back
			q.Add("_pragma", "wal_autocheckpoint(0)")
		}
	} else {
		q.Add("_pragma", "cache_size(-1000)")
		q.Add("_pragma", "query_only(1)")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// errNewer marks a database of a version that this program does not know.
var errNewer = errors.New("written by a newer version of this program")

// migrate brings the database to the current version.
func migrate(ctx context.Context, s *session) error {
	var version int
	if err := s.row(ctx, "PRAGMA user_version", nil, &version); err != nil {
		return err
	}
	if version == len(migrations) {
		return nil
	}
	if err := s.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer s.rollback()
	// again, now that nobody else can be doing the same
	if err := s.row(ctx, "PRAGMA user_version", nil, &version); err != nil {
		return err
	}
	switch {
	case version < 0 || version > 1000:
		return fmt.Errorf("schema version %d: %w", version, errDamaged)
	case version > len(migrations):
		return fmt.Errorf("schema version %d: %w", version, errNewer)
	}
	for n := version; n < len(migrations); n++ {
		if _, err := s.conn.ExecContext(ctx, migrations[n]); err != nil {
			return fmt.Errorf("migrate from version %d: %w", n, err)
		}
	}
	if version == 0 {
		if err := s.exec(ctx, "INSERT INTO meta (identity) VALUES (?)", rand.Text()); err != nil {
			return err
		}
	}
	if err := s.exec(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return err
	}
	return s.commit()
}

// corrupt reports whether err says that the file is damaged.
func corrupt(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return errors.Is(err, errDamaged)
}

// damaged is the error for rows whose values are not such as we write. When ctx
// ends, the rows of a query end with an error too, which says nothing of the
// file.
func damaged(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// unwritable reports whether err says that nothing can be written: the disk is
// full or fails.
func unwritable(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return true
	}
	var e syscall.Errno
	return errors.As(err, &e)
}

// unusable reports whether err, met while opening, says that the file cannot
// serve as a catalog: it is damaged, or not one of ours.
func unusable(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT: // our SQL does not fit what is there
		return true
	}
	return corrupt(err) || errors.Is(err, errNewer)
}

// unfit reports whether err says that a value does not fit its table.
func unfit(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return true
	}
	return false
}

// code is SQLite's primary result code, 0 if err is none of SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}
