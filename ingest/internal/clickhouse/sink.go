// Package clickhouse is ClickHouse 24.8 or newer as a sink.
//
// It has no transaction over two statements. What stands in for one:
//
//   - The rows of a stretch are one insert of one block into one partition of the table, which ClickHouse writes as one data part: there as a whole or not
//     at all. Then the offset is inserted, into a table of its own.
//   - So the next offset is the greater one of what mesh_offsets says and the last row's offset + 1, and it is asked again before every stretch. A crash
//     between the two inserts leaves rows above mesh_offsets; the next one goes on behind them.
//   - An insert whose answer was lost may still be carried out. The same insert again has the same token, which the server drops; an insert of a process
//     that is gone is killed by its successor before it asks where to go on (Prepare). Should a row be there twice all the same, both are equal, and
//     ReplacingMergeTree shows one (FINAL).
//   - Records are set aside before any row behind them is there.
//
// What is not guaranteed: that a reader without FINAL never sees a row twice; that rows and mesh_offsets are of one moment (mesh_offsets may be lower,
// never higher); that rows inserted in the last seconds survive a power cut, unless the server syncs (the component says so on disk).
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

func init() {
	sink.Register("clickhouse", open)
}

type database struct {
	client *client
}

func open(settings sink.Settings) (sink.Sink, error) {
	c, err := newClient(settings)
	if err != nil {
		return nil, err
	}
	return &database{client: c}, nil
}

// HeldShards are the shards in mesh_shards.
func (d *database) HeldShards(ctx context.Context) ([]int, error) {
	rows, err := d.client.lines(ctx, "SELECT DISTINCT shard FROM mesh_shards ORDER BY shard", nil)
	if err != nil {
		return nil, err
	}
	shards := make([]int, len(rows))
	for i, row := range rows {
		if shards[i], err = strconv.Atoi(row[0]); err != nil {
			return nil, err
		}
	}
	return shards, nil
}

// MarkShards inserts those that are missing.
func (d *database) MarkShards(ctx context.Context, shards []int, source string) error {
	if len(shards) == 0 {
		return nil
	}
	list := make([]string, len(shards))
	for i, shard := range shards {
		list[i] = strconv.Itoa(shard)
	}
	// At most 100 partitions may come with one insert unless it says otherwise.
	_, err := d.client.run(ctx, "INSERT INTO mesh_shards (shard, source) SELECT shard, {source:String} FROM (SELECT arrayJoin(["+strings.Join(list, ", ")+
		"]) AS shard) WHERE shard NOT IN (SELECT shard FROM mesh_shards)", nil, url.Values{"param_source": {source}, "max_partitions_per_insert_block": {"0"}})
	return err
}

// ReadOffsets are the greatest offsets of mesh_offsets. Rows may be further on, after a crash; Next sees that, and skips what is read again.
func (d *database) ReadOffsets(ctx context.Context) (map[sink.Partition]int64, error) {
	rows, err := d.client.lines(ctx, `SELECT topic, "partition", max(next_offset) FROM mesh_offsets GROUP BY topic, "partition"`, nil)
	if err != nil {
		return nil, err
	}
	offsets := make(map[sink.Partition]int64, len(rows))
	for _, row := range rows {
		if len(row) != 3 {
			return nil, fmt.Errorf("ClickHouse answered %q to the question for offsets", row)
		}
		id, errID := strconv.ParseInt(row[1], 10, 32)
		next, errNext := strconv.ParseInt(row[2], 10, 64)
		if err := errors.Join(errID, errNext); err != nil {
			return nil, err
		}
		offsets[sink.Partition{Topic: row[0], ID: int32(id)}] = next
	}
	return offsets, nil
}

// Begin starts gathering a stretch.
func (d *database) Begin(_ context.Context, partition sink.Partition, facts table.Facts) (sink.Tx, error) {
	return &transaction{client: d.client, partition: partition, facts: facts}, nil
}

// Close ends the connections.
func (d *database) Close() { d.client.http.CloseIdleConnections() }

// Codes of errors: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp.
var classes = map[sink.Class][]int{
	// UNKNOWN_TABLE, NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER
	sink.Gone: {60, 16, 47},
	// UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED, DATABASE_ACCESS_DENIED, ACCESS_DENIED, AUTHENTICATION_FAILED
	sink.Credentials: {192, 193, 194, 195, 291, 497, 516},
	// UNKNOWN_DATABASE, READONLY, UNKNOWN_SETTING
	sink.Setup: {81, 164, 115},
	// VIOLATED_CONSTRAINT, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	sink.Poison: {469, 349},
}

// Classify goes by the code.
func (d *database) Classify(err error) sink.Class {
	var said *failure
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errTime):
		return sink.Poison
	case errors.As(err, &certificate) || (err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")):
		return sink.Setup
	case errors.As(err, &said):
		for class, codes := range classes {
			if slices.Contains(codes, said.code) {
				return class
			}
		}
	}
	return sink.Transient
}
