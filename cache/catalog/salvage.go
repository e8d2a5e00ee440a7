package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// tables are those whose rows are worth rescuing, each with the order in which
// its rows are stored.
var tables = []struct{ name, order string }{
	{"kind", "n"}, {"layout", "n"}, {"prediction", "id"}, {"raw", "n"}, {"output", "id"}, {"document", "rowid"}, {"run", "rowid"},
}

// salvage makes a new database at the path to and copies into it what can be
// read of the damaged one at from. What Replicate has forgotten by now is
// nowhere else. An error means that the new one could not be written.
func salvage(ctx context.Context, from, to string) (rows int, err error) {
	out, err := openFile(ctx, to)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := out.close(); err == nil {
			err = e
		}
	}()
	in, err := sql.Open("sqlite", source(from, "NORMAL", false))
	if err != nil {
		return 0, err
	}
	defer in.Close() // read only: nothing to lose
	in.SetMaxOpenConns(1)

	s := out.safe
	if err := s.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}
	defer s.rollback()
	for _, t := range tables {
		n, err := copyTable(ctx, in, s, t.name, t.order)
		if err != nil {
			return 0, fmt.Errorf("copy %s: %w", t.name, err)
		}
		rows += n
	}
	// rows whose object or kind was lost stay, to be completed by the next copy;
	// an object whose row was lost cannot be told from others
	for _, mend := range []string{
		"DELETE FROM raw WHERE n NOT IN (SELECT raw FROM prediction WHERE raw NOT NULL)",
		fmt.Sprintf("UPDATE prediction SET raw = NULL, layout = NULL, rank = %d, flags = flags & ~%d WHERE raw NOT IN (SELECT n FROM raw)", rankNone, aside),
		"UPDATE prediction SET layout = NULL WHERE layout NOT IN (SELECT n FROM layout)",
		"INSERT OR IGNORE INTO kind (model, version, status, source, deployment) VALUES ('', '', '', '', '')",
		"UPDATE prediction SET kind = (SELECT n FROM kind WHERE model = '' AND version = '' AND status = '' AND source = '' AND deployment = '') WHERE kind NOT IN (SELECT n FROM kind)",
	} {
		if err := s.exec(ctx, mend); err != nil {
			return 0, err
		}
	}
	return rows, s.commit()
}

// copyTable copies the rows of a table from its beginning up to the first that
// cannot be read, and then from its end. Only writing fails.
func copyTable(ctx context.Context, in *sql.DB, s *session, table, order string) (rows int, err error) {
	columns := slices.DeleteFunc(columnsOf(ctx, s.conn, table), func(name string) bool {
		return !slices.Contains(columnsOf(ctx, in, table), name) // an older version
	})
	if len(columns) == 0 {
		return 0, nil
	}
	names := strings.Join(columns, ", ")
	insert, err := s.stmt(ctx, fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (?%s)", table, names, strings.Repeat(", ?", len(columns)-1)))
	if err != nil {
		return 0, err
	}
	for _, direction := range []string{"ASC", "DESC"} {
		n, whole, err := copyRows(ctx, in, insert, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s %s", names, table, order, direction), len(columns))
		if rows += n; err != nil || whole {
			return rows, err
		}
	}
	return rows, nil
}

func copyRows(ctx context.Context, in *sql.DB, insert *sql.Stmt, query string, columns int) (rows int, whole bool, err error) {
	q, err := in.QueryContext(ctx, query)
	if err != nil {
		return 0, false, ctx.Err()
	}
	defer q.Close()
	values, dest := make([]any, columns), make([]any, columns)
	for i := range values {
		dest[i] = &values[i]
	}
	for q.Next() {
		if q.Scan(dest...) != nil {
			break
		}
		res, err := insert.ExecContext(ctx, values...)
		if err != nil {
			if unfit(err) {
				continue // the damage shows in the value
			}
			return rows, false, err
		}
		if n, _ := res.RowsAffected(); n > 0 {
			rows++
		}
	}
	return rows, q.Err() == nil, ctx.Err()
}

// columnsOf are the columns of a table as the database itself has them.
func columnsOf(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, table string) (columns []string) {
	q, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return nil
	}
	defer q.Close()
	for q.Next() {
		var name string
		if q.Scan(&name) == nil {
			columns = append(columns, name)
		}
	}
	return columns
}
