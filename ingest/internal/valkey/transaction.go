package valkey

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/redis/go-redis/v9"
)

//go:embed write.lua
var writeText string

var write = redis.NewScript(writeText)

const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// StreamKey of a table's partition. The braces keep it apart from other keys, and would keep it whole in a cluster.
func streamKey(tableName string, partition int32) string {
	return fmt.Sprintf("mesh:{%s:%d}", tableName, partition)
}

// transaction gathers what one script then does at once.
type transaction struct {
	client    *redis.Client
	partition sink.Partition
	facts     table.Facts
	// expected is what Next read; without known there was none.
	expected, first int64
	known, begun    bool
	next            int64
	// rows as arguments of the script: offset, number of names and values, names and values.
	rows []any
}

// Begin starts gathering.
func (d *database) Begin(_ context.Context, partition sink.Partition, facts table.Facts) (sink.Tx, error) {
	return &transaction{client: d.client, partition: partition, facts: facts}, nil
}

// Next reads the offset. Instead of a lock the script looks again whether it is still the same.
func (t *transaction) Next(ctx context.Context) (int64, bool, error) {
	next, err := t.client.HGet(ctx, offsetsKey, t.partition.String()).Int64()
	if errors.Is(err, redis.Nil) {
		return t.first, t.begun, nil
	}
	t.expected, t.known = next, err == nil
	return next, err == nil, err
}

// First is written by the script, with the rows.
func (t *transaction) First(_ context.Context, next int64) error {
	t.first, t.begun = next, true
	return nil
}

// Store gathers rows.
func (t *transaction) Store(_ context.Context, rows []table.Row) (int, error) {
	size := 0
	for i := range rows {
		at := len(t.rows)
		t.rows = append(t.rows, rows[i].Record.Offset, 0)
		size += t.appendFields(&rows[i])
		t.rows[at+1] = len(t.rows) - at - 2
	}
	return size, nil
}

// StoreCarefully is the same: the script leaves entries alone that are there, and nothing is rejected for its content.
func (t *transaction) StoreCarefully(ctx context.Context, rows []table.Row) (int, error) {
	return t.Store(ctx, rows)
}

func (t *transaction) appendFields(row *table.Row) int {
	size := 0
	add := func(name string, value []byte) {
		t.rows = append(t.rows, name, value)
		size += len(name) + len(value)
	}
	add("ts", row.Record.Timestamp.UTC().AppendFormat(nil, timeFormat))
	if row.Key != nil {
		add("key", row.Key)
	}
	for j, column := range t.facts.Columns {
		if value := &row.Values[j]; value.Set {
			add(column.Name, textOf(column.Type, value))
		}
	}
	if t.facts.Document && row.Doc != nil {
		add("doc", row.Doc)
	}
	return size
}

// textOf is a value as text: numbers in digits, true or false, times in RFC 3339, JSON as it came.
func textOf(kind table.Type, value *table.Value) []byte {
	switch kind {
	case table.Int32, table.Int64:
		return strconv.AppendInt(nil, value.Int, 10)
	case table.Float64:
		return strconv.AppendFloat(nil, value.Float, 'g', -1, 64)
	case table.Boolean:
		return strconv.AppendBool(nil, value.Int != 0)
	case table.Timestamp:
		return time.UnixMicro(value.Int).UTC().AppendFormat(nil, timeFormat)
	default:
		return value.Bytes
	}
}

// Advance gathers the next offset.
func (t *transaction) Advance(_ context.Context, next int64) error {
	t.next = next
	return nil
}

// errMoved passes when it is tried again: Next then says where the other writer is.
var errMoved = errors.New("another writer moved the offset of the partition meanwhile")

// Commit runs the script: rows and offset at once, or nothing where the offset is another one than Next read.
func (t *transaction) Commit(ctx context.Context) error {
	expected := ""
	if t.known {
		expected = strconv.FormatInt(t.expected, 10)
	}
	keys := []string{offsetsKey, streamKey(t.facts.Name, t.partition.ID)}
	done, err := write.Run(ctx, t.client, keys, append([]any{t.partition.String(), expected, t.next}, t.rows...)...).Int64()
	if err == nil && done == 0 {
		err = errMoved
	}
	return err
}

// Rollback drops what was gathered.
func (t *transaction) Rollback() { t.rows = nil }
