package valkey

import (
	"context"
	"fmt"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"github.com/redis/go-redis/v9"
)

// The sink alone: stretches of 5000 one after the other, beside pipelines of 5000 XADD by hand.
func BenchmarkSinkBesidePipeline(b *testing.B) {
	const rows, size = 200_000, 5_000
	c, s, ctx := client(b), connect(b), context.Background()
	var limit, taken time.Duration
	for b.Loop() {
		if err := c.FlushAll(ctx).Err(); err != nil {
			b.Fatal(err)
		}
		for at := int64(0); at < rows; at += size {
			begin := time.Now()
			_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for n := at; n < at+size; n++ {
					pipe.Do(ctx, "XADD", "byhand", fmt.Sprintf("%d-1", n), "ts", "2023-11-14T22:13:20.123000Z", "key", "k", "n", n, "doc", sinktest.LongValue(n))
				}
				return nil
			})
			limit += time.Since(begin)
			if err != nil {
				b.Fatal(err)
			}
		}
		for at := int64(0); at < rows; at += size {
			taken += sinktest.Timed(b, s, sinktest.Long(at, at+size))
		}
	}
	sinktest.Report(b, rows, taken, limit, "pipelined", "pipeline")
}
