package clickhouse

import (
	"context"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink/sinktest"
)

// The sink alone: stretches of 5000 one after the other, beside inserts of the same blocks by hand.
func BenchmarkSinkBesideInserts(b *testing.B) {
	const rows, size = 100_000, 5_000
	s, name := prepared(b)
	execute(b, name, "CREATE TABLE byhand AS events")
	byHand := &transaction{facts: sinktest.Facts}
	var limit, taken time.Duration
	for b.Loop() {
		execute(b, name, "TRUNCATE TABLE events", "TRUNCATE TABLE byhand", "TRUNCATE TABLE mesh_offsets")
		for at := int64(0); at < rows; at += size {
			batch := sinktest.Long(at, at+size)
			begin := time.Now()
			data, err := encode(sinktest.Facts, batch.Rows)
			if err == nil {
				_, err = s.client.run(context.Background(), byHand.insertInto("byhand"), data, nil)
			}
			limit += time.Since(begin)
			if err != nil {
				b.Fatal(err)
			}
			taken += sinktest.Timed(b, s, batch)
		}
	}
	sinktest.Report(b, rows, taken, limit, "inserted", "inserts")
}
