package sinktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Batch is a stretch of partition 0 of the topic "t" with a record for each of the offsets, as the table of facts takes it.
func Batch(facts table.Facts, from, to int64, offsets []int64, value func(offset int64) []byte) *sink.Batch {
	reader := table.NewReader(facts).Batch(len(offsets))
	batch := &sink.Batch{Stretch: &stretch.Stretch{Topic: "t", From: from, To: to, Oldest: from == 0, Records: len(offsets)}, Facts: facts}
	for _, offset := range offsets {
		record := &kgo.Record{Topic: "t", Offset: offset, Key: []byte("k"), Value: value(offset), Timestamp: time.UnixMilli(1_700_000_000_123)}
		row, err := reader.Row(record)
		if err != nil {
			batch.Rejected = append(batch.Rejected, sink.Rejection{Record: record, Reason: err})
			continue
		}
		batch.Rows = append(batch.Rows, row)
	}
	return batch
}

// Full is a Batch of Facts without gaps: a record with Value at each of the offsets [from, to).
func Full(from, to int64) *sink.Batch { return Batch(Facts, from, to, Numbers(from, to), Value) }

// Value is a record for the table of Facts: its column is the offset.
func Value(offset int64) []byte { return fmt.Appendf(nil, `{"n": %d}`, offset) }

// LongValue is a record for the table of Facts with some text beside the column, for measurements.
func LongValue(offset int64) []byte {
	return fmt.Appendf(nil, `{"n": %d, "text": "%032d"}`, offset, offset)
}

// Numbers are the offsets [from, to).
func Numbers(from, to int64) []int64 {
	var offsets []int64
	for offset := from; offset < to; offset++ {
		offsets = append(offsets, offset)
	}
	return offsets
}

// Write writes a batch as ingest does: what passes is tried again, a poisoned batch goes the careful way.
func Write(ctx context.Context, s sink.Sink, batch *sink.Batch) error {
	for careful := false; ; {
		_, err := sink.Apply(ctx, s, batch, careful)
		var poisoned *sink.Poisoned
		if err == nil || errors.As(err, &poisoned) || ctx.Err() != nil {
			return err
		}
		switch sink.ClassOf(s, err) {
		case sink.Poison, sink.DocumentLimit:
			if careful {
				return err
			}
			careful = true
		case sink.Transient:
			time.Sleep(5 * time.Millisecond)
		default:
			return err
		}
	}
}
