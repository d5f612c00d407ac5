package postgres

import (
	"context"
	"fmt"

	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/jackc/pgx/v5"
)

// rejection is a row that the database will never take.
type rejection struct {
	row    row
	reason error
}

// carefulStore writes rows through a staging table, in halves wherever a row is rejected, all within the one transaction of the stretch.
type carefulStore struct {
	tx       pgx.Tx
	table    string
	rejected []rejection
	rows     int
	bytes    int
}

// storeCarefully stores what can be stored and sets the rest aside, before the transaction commits: a crash between may set a record aside twice,
// never lose it.
func (o *output) storeCarefully(ctx context.Context, tx pgx.Tx, piece *stretch.Stretch, table string, rows []row) (applied, error) {
	// Constraints that are checked at the commit would reject the stretch as a whole.
	prepare := `SET CONSTRAINTS ALL IMMEDIATE; CREATE TEMPORARY TABLE mesh_staging (LIKE ` + table + `) ON COMMIT DROP`
	if _, err := tx.Conn().PgConn().Exec(ctx, prepare).ReadAll(); err != nil {
		return applied{}, err
	}
	store := &carefulStore{tx: tx, table: table}
	if err := store.halves(ctx, rows); err != nil {
		return applied{}, err
	}
	for _, bad := range store.rejected {
		if o.deadLetter == "" {
			return applied{}, refuse("%s/%d offset %d can never be stored: %v. Set dead_letter to put such records aside", piece.Topic, piece.Partition,
				bad.row.record.Offset, bad.reason)
		}
		if err := piece.SetAside(ctx, o.deadLetter, bad.row.record, bad.reason.Error()); err != nil {
			return applied{}, fmt.Errorf("setting offset %d aside in topic %s: %w", bad.row.record.Offset, o.deadLetter, err)
		}
		o.log.Warnf("%s/%d offset %d was set aside in topic %s: %v", piece.Topic, piece.Partition, bad.row.record.Offset, o.deadLetter, bad.reason)
	}
	return applied{rows: store.rows, bytes: store.bytes, setAside: len(store.rejected)}, nil
}

// halves stores the rows at once, or else each half on its own, down to the rows that are rejected.
func (s *carefulStore) halves(ctx context.Context, rows []row) error {
	err := s.try(ctx, rows)
	if err == nil || !isData(err) {
		return err
	}
	if len(rows) > 1 {
		if err := s.halves(ctx, rows[:len(rows)/2]); err != nil {
			return err
		}
		return s.halves(ctx, rows[len(rows)/2:])
	}
	if value := rows[0].record.Value; isJSONLimit(err) && len(value) > 0 {
		// Valid JSON that jsonb has no room for, such as a number of 200,000 digits: kept as it is, like what is no JSON.
		wrapped := rows[0]
		wrapped.doc = wrap(value)
		if errWrapped := s.try(ctx, []row{wrapped}); errWrapped == nil || !isData(errWrapped) {
			return errWrapped
		}
	}
	s.rejected = append(s.rejected, rejection{row: rows[0], reason: err})
	return nil
}

// try stores rows within a savepoint; after an error the transaction is as before.
func (s *carefulStore) try(ctx context.Context, rows []row) error {
	inner, err := s.tx.Begin(ctx)
	if err != nil {
		return err
	}
	// Through the staging table, because COPY knows no ON CONFLICT.
	size, err := copyInto(ctx, inner, "mesh_staging", rows)
	if err == nil {
		_, err = inner.Exec(ctx, `WITH staged AS (DELETE FROM mesh_staging RETURNING part, off, ts, key, doc) INSERT INTO `+s.table+` `+copyColumns+
			` SELECT part, off, ts, key, doc FROM staged ON CONFLICT (part, off) DO NOTHING`, pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		if errBack := inner.Rollback(ctx); errBack != nil {
			return errBack
		}
		return err
	}
	s.rows += len(rows)
	s.bytes += size
	return inner.Commit(ctx)
}

// isJSONLimit says that it was the document as jsonb that was rejected.
func isJSONLimit(err error) bool {
	switch sqlState(err) {
	case "22003", "22P02", "22P05", "22021", "22032", "54000", "54001":
		return true
	}
	return false
}
