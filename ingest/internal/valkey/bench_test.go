package valkey

import (
	"context"
	"fmt"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testserver"
	"github.com/redis/go-redis/v9"
)

// The sink alone: stretches of 5000 one after the other, beside pipelines of 5000 XADD by hand.
func BenchmarkSinkBesidePipeline(b *testing.B) {
	const rows, size = 200_000, 5_000
	c, s, ctx := client(b), connect(b), context.Background()
	value := func(n int64) []byte { return fmt.Appendf(nil, `{"n": %d, "text": "%032d"}`, n, n) }
	var limit, taken time.Duration
	for b.Loop() {
		if err := c.FlushAll(ctx).Err(); err != nil {
			b.Fatal(err)
		}
		for at := int64(0); at < rows; at += size {
			begin := time.Now()
			_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for n := at; n < at+size; n++ {
					pipe.Do(ctx, "XADD", "byhand", fmt.Sprintf("%d-1", n), "ts", "2023-11-14T22:13:20.123000Z", "key", "k", "n", n, "doc", value(n))
				}
				return nil
			})
			limit += time.Since(begin)
			if err != nil {
				b.Fatal(err)
			}
		}
		for at := int64(0); at < rows; at += size {
			batch := testserver.Batch(sinktest.Facts, at, at+size, testserver.Numbers(at, at+size), value)
			begin := time.Now()
			if _, err := sink.Apply(ctx, s, batch, false); err != nil {
				b.Fatal(err)
			}
			taken += time.Since(begin)
		}
	}
	perSecond := func(d time.Duration) float64 { return rows * float64(b.N) / d.Seconds() }
	b.ReportMetric(perSecond(taken), "rows/s")
	b.ReportMetric(perSecond(limit), "pipelined-rows/s")
	b.ReportMetric(perSecond(taken)/perSecond(limit), "of-pipeline")
}
