package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The columns that rows are copied into. Binary COPY sends no types, so another type would be stored as something else or rejected row by row.
var rowColumns = map[string]string{"part": "integer", "off": "bigint", "ts": "timestamp with time zone", "key": "text", "doc": "jsonb"}

var offsetColumns = map[string]string{"topic": "text", "partition": "integer", "next_offset": "bigint", "updated": "timestamp with time zone"}

// checkTables returns an error while a table is missing, and a refusal where a column has another type.
func checkTables(ctx context.Context, pool *pgxpool.Pool, tables map[string]string) error {
	if err := checkColumns(ctx, pool, "mesh_offsets", offsetColumns); err != nil {
		return err
	}
	for _, table := range tables {
		if err := checkColumns(ctx, pool, table, rowColumns); err != nil {
			return err
		}
	}
	return nil
}

func checkColumns(ctx context.Context, pool *pgxpool.Pool, table string, wanted map[string]string) error {
	const ask = `SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`
	rows, err := pool.Query(ctx, ask, pgx.Identifier{table}.Sanitize())
	if err != nil {
		return err
	}
	found := map[string]string{}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error {
		found[name] = kind
		return nil
	}); err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("the database has no table %q", table)
	}
	var problems []string
	for column, kind := range wanted {
		if found[column] != kind {
			problems = append(problems, fmt.Sprintf("%s must be %s and is %q", column, kind, found[column]))
		}
	}
	if len(problems) > 0 {
		return refuse("table %q does not fit: %s", table, strings.Join(problems, ", "))
	}
	return nil
}
