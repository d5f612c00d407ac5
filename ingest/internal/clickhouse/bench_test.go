package clickhouse

import (
	"context"
	"fmt"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testserver"
)

// The sink alone: stretches of 5000 one after the other, beside inserts of the same blocks by hand.
func BenchmarkSinkBesideInserts(b *testing.B) {
	const rows, size = 100_000, 5_000
	s, name := prepared(b)
	value := func(n int64) []byte { return fmt.Appendf(nil, `{"n": %d, "text": "%032d"}`, n, n) }
	execute(b, name, "CREATE TABLE byhand AS events")
	byHand := &transaction{facts: sinktest.Facts}
	var limit, taken time.Duration
	for b.Loop() {
		execute(b, name, "TRUNCATE TABLE events", "TRUNCATE TABLE byhand", "TRUNCATE TABLE mesh_offsets")
		for at := int64(0); at < rows; at += size {
			batch := testserver.Batch(sinktest.Facts, at, at+size, testserver.Numbers(at, at+size), value)
			begin := time.Now()
			data, err := encode(sinktest.Facts, batch.Rows)
			if err == nil {
				_, err = s.client.run(context.Background(), byHand.insertInto("byhand"), data, nil)
			}
			limit += time.Since(begin)
			if err != nil {
				b.Fatal(err)
			}
			begin = time.Now()
			if _, err := sink.Apply(context.Background(), s, batch, false); err != nil {
				b.Fatal(err)
			}
			taken += time.Since(begin)
		}
	}
	perSecond := func(d time.Duration) float64 { return rows * float64(b.N) / d.Seconds() }
	b.ReportMetric(perSecond(taken), "rows/s")
	b.ReportMetric(perSecond(limit), "inserted-rows/s")
	b.ReportMetric(perSecond(taken)/perSecond(limit), "of-inserts")
}
