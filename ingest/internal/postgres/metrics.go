package postgres

import (
	"strconv"
	"time"

	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/warpstreamlabs/bento/public/service"
)

type metrics struct {
	rows, batches, bytes, seconds, skipped, deadLetters, retries *service.MetricCounter

	nextOffset *service.MetricGauge
}

func newMetrics(m *service.Metrics) *metrics {
	return &metrics{
		rows:        m.NewCounter("mesh_ingest_rows"),
		batches:     m.NewCounter("mesh_ingest_batches"),
		bytes:       m.NewCounter("mesh_ingest_bytes"),
		skipped:     m.NewCounter("mesh_ingest_skipped_rows"),
		deadLetters: m.NewCounter("mesh_ingest_dead_letters"),
		retries:     m.NewCounter("mesh_ingest_retries"),
		seconds:     m.NewCounter("mesh_ingest_transaction_seconds"),
		nextOffset:  m.NewGauge("mesh_ingest_next_offset", "topic", "partition"),
	}
}

func (m *metrics) note(piece *stretch.Stretch, done applied, took time.Duration) {
	m.rows.Incr(int64(done.rows))
	m.batches.Incr(1)
	m.bytes.Incr(int64(done.bytes))
	m.skipped.Incr(int64(done.skipped))
	m.deadLetters.Incr(int64(done.setAside))
	m.seconds.IncrFloat64(took.Seconds())
	m.nextOffset.Set(piece.To, piece.Topic, strconv.Itoa(int(piece.Partition)))
}
