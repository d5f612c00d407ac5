package sinktest

import (
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
)

// Long is a stretch for measurements: of Facts, with LongValue at each of the offsets [from, to).
func Long(from, to int64) *sink.Batch { return Batch(Facts, from, to, Numbers(from, to), LongValue) }

// Timed writes a batch and returns how long that took.
func Timed(b *testing.B, s sink.Sink, batch *sink.Batch) time.Duration {
	b.Helper()
	begin := time.Now()
	if _, err := sink.Apply(b.Context(), s, batch, false); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// Report tells the rows/s of the sink where each round stored so many rows, those of the same rows written by hand (`<done>-rows/s`), and the share of
// the former in the latter (`of-<what>`).
func Report(b *testing.B, rows int, taken, byHand time.Duration, done, what string) {
	b.Helper()
	perSecond := func(d time.Duration) float64 { return float64(rows) * float64(b.N) / d.Seconds() }
	b.ReportMetric(perSecond(taken), "rows/s")
	b.ReportMetric(perSecond(byHand), done+"-rows/s")
	b.ReportMetric(perSecond(taken)/perSecond(byHand), "of-"+what)
}
