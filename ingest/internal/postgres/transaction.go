package postgres

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/jackc/pgx/v5"
)

type transaction struct {
	ctx       context.Context
	tx        pgx.Tx
	partition sink.Partition
	facts     table.Facts
	// staged says that the staging table is there.
	staged bool
}

func (t *transaction) Next(ctx context.Context) (int64, bool, error) {
	const lock = `SELECT next_offset FROM mesh_offsets WHERE topic = $1 AND partition = $2 FOR UPDATE`
	var next int64
	err := t.tx.QueryRow(ctx, lock, t.partition.Topic, t.partition.ID).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return next, err == nil, err
}

func (t *transaction) First(ctx context.Context, next int64) error {
	const begin = `INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	_, err := t.tx.Exec(ctx, begin, t.partition.Topic, t.partition.ID, next)
	return err
}

// Store copies straight into the topic's table. That cannot double a row: rows at or above the next offset are not in the table. If somebody put them
// there by hand it fails at the primary key, and the careful way leaves them alone.
func (t *transaction) Store(ctx context.Context, rows []table.Row) (int, error) {
	return t.copyInto(ctx, t.tx, t.facts.Name, rows)
}

// StoreCarefully goes through a staging table, because COPY knows no ON CONFLICT, within a savepoint.
func (t *transaction) StoreCarefully(ctx context.Context, rows []table.Row) (int, error) {
	name, columns := pgx.Identifier{t.facts.Name}.Sanitize(), columnList(t.facts)
	if !t.staged {
		// Constraints that are checked at the commit would reject the stretch as a whole.
		prepare := `SET CONSTRAINTS ALL IMMEDIATE; CREATE TEMPORARY TABLE mesh_staging ON COMMIT DROP AS SELECT ` + columns + ` FROM ` + name + ` WITH NO DATA`
		if _, err := t.tx.Conn().PgConn().Exec(ctx, prepare).ReadAll(); err != nil {
			return 0, err
		}
		t.staged = true
	}
	inner, err := t.tx.Begin(ctx)
	if err != nil {
		return 0, err
	}
	size, err := t.copyInto(ctx, inner, "mesh_staging", rows)
	if err == nil {
		_, err = inner.Exec(ctx, `WITH staged AS (DELETE FROM mesh_staging RETURNING `+columns+`) INSERT INTO `+name+` (`+columns+`) SELECT `+columns+
			` FROM staged ON CONFLICT (part, off) DO NOTHING`, pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		if errBack := inner.Rollback(ctx); errBack != nil {
			return 0, errBack
		}
		return 0, err
	}
	return size, inner.Commit(ctx)
}

func (t *transaction) Advance(ctx context.Context, next int64) error {
	const advance = `UPDATE mesh_offsets SET next_offset = $3, updated = now() WHERE topic = $1 AND partition = $2`
	_, err := t.tx.Exec(ctx, advance, t.partition.Topic, t.partition.ID, next)
	return err
}

func (t *transaction) Commit(ctx context.Context) error {
	return t.tx.Commit(ctx)
}

// Rollback closes the connection where the server does not answer. A transaction whose commit did not come back is closed with its connection.
func (t *transaction) Rollback() {
	_ = t.tx.Rollback(context.WithoutCancel(t.ctx))
}

func (t *transaction) copyInto(ctx context.Context, tx pgx.Tx, name string, rows []table.Row) (int, error) {
	data, err := encode(t.facts, rows)
	if err != nil {
		return 0, err
	}
	command := "COPY " + pgx.Identifier{name}.Sanitize() + " (" + columnList(t.facts) + ") FROM STDIN BINARY"
	_, err = tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(data), command)
	return len(data), err
}

func columnList(facts table.Facts) string {
	var quoted []string
	for _, name := range facts.ColumnNames() {
		quoted = append(quoted, pgx.Identifier{name}.Sanitize())
	}
	return strings.Join(quoted, ", ")
}
