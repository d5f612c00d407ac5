package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

const (
	// What a server takes at least unless somebody lowered it: 16 MiB is the default of MariaDB and less than that of SingleStore.
	mostPacket = 16<<20 - 1024
	// Statements of this size are as fast as larger ones.
	goodPacket = 2 << 20
)

type transaction struct {
	tx        *sql.Tx
	partition sink.Partition
	facts     table.Facts
}

// Next locks the row of the partition.
func (t *transaction) Next(ctx context.Context) (int64, bool, error) {
	const lock = "SELECT next_offset FROM mesh_offsets WHERE `topic` = ? AND `partition` = ? FOR UPDATE"
	var next int64
	err := t.tx.QueryRowContext(ctx, lock, t.partition.Topic, t.partition.ID).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return next, err == nil, err
}

// First inserts the row of the partition, or leaves another writer's as it is.
func (t *transaction) First(ctx context.Context, next int64) error {
	const begin = "INSERT INTO mesh_offsets (`topic`, `partition`, next_offset) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE next_offset = next_offset"
	_, err := t.tx.ExecContext(ctx, begin, t.partition.Topic, t.partition.ID, next)
	return err
}

// Store inserts many rows with each statement. That cannot double a row: rows at or above the next offset are not in the table. If somebody put them
// there by hand it fails at the primary key, and the careful way leaves them alone.
//
// Not LOAD DATA LOCAL, which is faster: it turns values that do not fit, and rows that are there, into warnings (MariaDB: "LOCAL … has the same effect
// as IGNORE"), and servers often forbid it.
func (t *transaction) Store(ctx context.Context, rows []table.Row) (int, error) {
	return t.insert(ctx, rows, "")
}

// StoreCarefully leaves rows alone that are there. A statement that fails takes nothing but itself back, so that the transaction goes on.
func (t *transaction) StoreCarefully(ctx context.Context, rows []table.Row) (int, error) {
	return t.insertAtOnce(ctx, rows, " ON DUPLICATE KEY UPDATE part = part")
}

func (t *transaction) insert(ctx context.Context, rows []table.Row, ending string) (int, error) {
	head := t.head()
	statement := append(make([]byte, 0, goodPacket+goodPacket/4), head...)
	size := 0
	for i := range rows {
		if len(statement) > len(head) {
			statement = append(statement, ',')
		}
		var err error
		if statement, err = appendRow(statement, t.facts, &rows[i]); err != nil {
			return 0, err
		}
		if len(statement) >= goodPacket || i == len(rows)-1 {
			size += len(statement)
			if err := t.run(ctx, statement, ending); err != nil {
				return 0, err
			}
			statement = statement[:len(head)]
		}
	}
	return size, nil
}

// insertAtOnce is one statement, so that it is there as a whole or not at all; more than fits into one is an error that makes halves of it.
func (t *transaction) insertAtOnce(ctx context.Context, rows []table.Row, ending string) (int, error) {
	statement := t.head()
	for i := range rows {
		if i > 0 {
			statement = append(statement, ',')
		}
		var err error
		if statement, err = appendRow(statement, t.facts, &rows[i]); err != nil {
			return 0, err
		}
		if len(statement) > mostPacket && len(rows) > 1 {
			return 0, errSize
		}
	}
	return len(statement), t.run(ctx, statement, ending)
}

func (t *transaction) run(ctx context.Context, statement []byte, ending string) error {
	_, err := t.tx.ExecContext(ctx, string(statement)+ending)
	return err
}

func (t *transaction) head() []byte {
	names := t.facts.ColumnNames()
	return []byte("INSERT INTO `" + t.facts.Name + "` (`" + strings.Join(names, "`, `") + "`) VALUES ")
}

// Advance sets the next offset.
func (t *transaction) Advance(ctx context.Context, next int64) error {
	const advance = "UPDATE mesh_offsets SET next_offset = ?, updated = CURRENT_TIMESTAMP(6) WHERE `topic` = ? AND `partition` = ?"
	result, err := t.tx.ExecContext(ctx, advance, next, t.partition.Topic, t.partition.ID)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err == nil && changed != 1 {
		return errors.New("the row of the partition in mesh_offsets is not there any more")
	}
	return nil
}

// Commit makes everything lasting.
func (t *transaction) Commit(context.Context) error { return t.tx.Commit() }

// Rollback closes the connection where the server does not answer.
func (t *transaction) Rollback() { _ = t.tx.Rollback() }
