package catalog

import (
	"context"
	"database/sql"
	"errors"
)

// A session is one connection that runs transactions, with its queries parsed
// once: parsing takes longer than running most of them. It is for one goroutine
// at a time.
type session struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // by query
}

func newSession(ctx context.Context, source string) (*session, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &session{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

func (s *session) close() error {
	if s == nil {
		return nil
	}
	return errors.Join(closeStmts(s.stmts), s.conn.Close(), s.db.Close())
}

// closeStmts closes statements: as long as one is open, database/sql keeps its
// connection open too, whatever else is closed.
func closeStmts(stmts map[string]*sql.Stmt) error {
	var errs []error
	for _, st := range stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}

// begin starts a transaction: "BEGIN" one that reads, "BEGIN IMMEDIATE" one that
// holds the lock for writing from the start, as a transaction must that reads,
// merges and writes. Every begin needs an end.
func (s *session) begin(ctx context.Context, how string) error {
	err := s.exec(ctx, how)
	if err != nil {
		s.rollback() // a cancelled BEGIN may have taken effect
	}
	return err
}

// commit ends the transaction. It takes no context: a commit whose outcome is
// not known is worse than one that takes a moment.
func (s *session) commit() error {
	return s.exec(context.Background(), "COMMIT")
}

// rollback ends the transaction, if commit has not.
func (s *session) rollback() {
	s.exec(context.Background(), "ROLLBACK") // fails if there is none
}

func (s *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = st
	return st, nil
}

func (s *session) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.result(ctx, query, args...)
	return err
}

func (s *session) result(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *session) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// insert runs an INSERT and returns the key of the row.
func (s *session) insert(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := s.result(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// row runs a query for one row.
func (s *session) row(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}
