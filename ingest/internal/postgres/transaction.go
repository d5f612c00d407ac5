package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refusal is an error that trying again cannot cure: the process must stop.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func refuse(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...)}
}

// applied is what one transaction did.
type applied struct {
	rows, bytes, skipped, setAside int
}

// apply writes the stretch in one transaction, or finds that it is written already.
//
// The rule. The row of mesh_offsets, locked until the end, says which offset is next. A stretch that ends at or below it is written already. One
// that begins at or below it loses the rows below and is written. One that begins above it is refused: the offsets between were read by nobody
// that wrote them here, so storing it would make `next_offset` pass rows that are lost. Gaps that Kafka itself has do not count, because they lie
// inside stretches. A partition without a row of offsets takes only a stretch that begins at Kafka's oldest record because the start-up found no
// offset, either. Hence whatever goes wrong (a database that came back empty or older, a batch out of order, a second writer, a start at the wrong
// place) the rows in the table are always exactly those below `next_offset`.
func (o *output) apply(ctx context.Context, piece *stretch.Stretch, rows []row, careful bool) (applied, error) {
	tx, err := o.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return applied{}, err
	}
	// A transaction whose commit did not come back is closed with its connection.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	next, err := lockOffset(ctx, tx, piece)
	if err != nil {
		return applied{}, err
	}
	if piece.To <= next {
		return applied{skipped: len(rows)}, nil
	}
	if piece.From > next {
		return applied{}, refuse("%v: the database goes on at offset %d: it is older than what was read from it, or rows between were lost; "+
			"reading starts again from there", piece, next)
	}
	fresh := notBelow(rows, next)
	done, err := o.store(ctx, tx, piece, fresh, careful)
	if err != nil {
		return applied{}, err
	}
	done.skipped = len(rows) - len(fresh)
	const advance = `UPDATE mesh_offsets SET next_offset = $3, updated = now() WHERE topic = $1 AND partition = $2`
	if _, err := tx.Exec(ctx, advance, piece.Topic, piece.Partition, piece.To); err != nil {
		return applied{}, err
	}
	return done, tx.Commit(ctx)
}

// lockOffset locks the partition's row of offsets, after making it where that is allowed.
func lockOffset(ctx context.Context, tx pgx.Tx, piece *stretch.Stretch) (int64, error) {
	const lock = `SELECT next_offset FROM mesh_offsets WHERE topic = $1 AND partition = $2 FOR UPDATE`
	const begin = `INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	var next int64
	err := tx.QueryRow(ctx, lock, piece.Topic, piece.Partition).Scan(&next)
	if !errors.Is(err, pgx.ErrNoRows) {
		return next, err
	}
	if !piece.Oldest {
		return 0, refuse("%v: the database has no offset for this partition any more: it came back empty, or its offsets were deleted", piece)
	}
	if _, err := tx.Exec(ctx, begin, piece.Topic, piece.Partition, piece.From); err != nil {
		return 0, err
	}
	return next, tx.QueryRow(ctx, lock, piece.Topic, piece.Partition).Scan(&next)
}

func notBelow(rows []row, next int64) []row {
	below := func(r row) bool { return r.record.Offset < next }
	if !slices.ContainsFunc(rows, below) {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), below)
}

// store copies rows straight into the topic's table; careful, it takes the way that survives rows the database rejects.
//
// Straight COPY cannot double a row: rows at or above `next_offset` are not in the table. If somebody put them there by hand it fails at the
// primary key, and the careful way leaves them alone.
func (o *output) store(ctx context.Context, tx pgx.Tx, piece *stretch.Stretch, rows []row, careful bool) (applied, error) {
	if len(rows) == 0 {
		return applied{}, nil
	}
	table := pgx.Identifier{o.tables[piece.Topic]}.Sanitize()
	if careful {
		return o.storeCarefully(ctx, tx, piece, table, rows)
	}
	size, err := copyInto(ctx, tx, table, rows)
	return applied{rows: len(rows), bytes: size}, err
}

func copyInto(ctx context.Context, tx pgx.Tx, table string, rows []row) (int, error) {
	data, err := encode(rows)
	if err != nil {
		return 0, err
	}
	_, err = tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(data), "COPY "+table+" "+copyColumns+" FROM STDIN BINARY")
	return len(data), err
}

// isData says that the database rejects the content of a row, so that the same row would be rejected for ever: SQLSTATE classes 22 (data
// exception), 23 (integrity constraint violation), 54 (program limit exceeded, for example an index entry that is too long).
func isData(err error) bool {
	code := sqlState(err)
	return errors.Is(err, errTime) || strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") || strings.HasPrefix(code, "54")
}

func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
