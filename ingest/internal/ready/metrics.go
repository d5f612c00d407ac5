package ready

import (
	"strconv"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics count over the whole life of the process.
type Metrics struct {
	registry *prometheus.Registry

	records, rows, batches, bytes, seconds, skipped, deadLetters, retries prometheus.Counter
	// Starts counts how often reading began.
	Starts prometheus.Counter
	// Buffered are the bytes of records in memory.
	Buffered prometheus.Gauge
}

// NewMetrics shows the state, too.
func NewMetrics(state *State) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	m.records = counter("mesh_ingest_records_total", "Records that are in the database or set aside.")
	m.rows = counter("mesh_ingest_rows", "Rows written.")
	m.batches = counter("mesh_ingest_batches", "Stretches of the log that are committed.")
	m.bytes = counter("mesh_ingest_bytes", "Bytes sent to the database as rows.")
	m.seconds = counter("mesh_ingest_transaction_seconds", "Time that committed transactions took.")
	m.skipped = counter("mesh_ingest_skipped_rows", "Rows that the database had already.")
	m.deadLetters = counter("mesh_ingest_dead_letters", "Records that were set aside.")
	m.retries = counter("mesh_ingest_retries", "Transactions that failed and were tried again.")
	m.Starts = counter("mesh_ingest_starts_total", "How often reading began, each time at the database's offsets.")
	m.Buffered = prometheus.NewGauge(prometheus.GaugeOpts{Name: "mesh_ingest_buffered_bytes", Help: "Records read and not written yet."})
	m.registry.MustRegister(m.Buffered, &stateCollector{state}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Wrote counts one committed transaction.
func (m *Metrics) Wrote(done sink.Written, took time.Duration) {
	m.records.Add(float64(done.Rows + done.SetAside))
	m.rows.Add(float64(done.Rows))
	m.batches.Inc()
	m.bytes.Add(float64(done.Bytes))
	m.skipped.Add(float64(done.Skipped))
	m.deadLetters.Add(float64(done.SetAside))
	m.seconds.Add(took.Seconds())
}

// Retried counts a transaction that is tried again.
func (m *Metrics) Retried() { m.retries.Inc() }

var (
	readyDesc = prometheus.NewDesc("mesh_ingest_ready", "1 when every partition has caught up.", nil, nil)
	nextDesc  = prometheus.NewDesc("mesh_ingest_next_offset", "The first offset that is not in the database.", []string{"topic", "partition"}, nil)
	lagDesc   = prometheus.NewDesc("mesh_ingest_lag", "Offsets that can be read and are not in the database.", []string{"topic", "partition"}, nil)
)

type stateCollector struct{ state *State }

// Describe lists what Collect gives.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- readyDesc
	descs <- nextDesc
	descs <- lagDesc
}

// Collect reads the state.
func (c *stateCollector) Collect(metrics chan<- prometheus.Metric) {
	report := c.state.Report(0)
	value := 0.0
	if report.Ready {
		value = 1
	}
	metrics <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value)
	for _, p := range report.Partitions {
		partition := strconv.Itoa(int(p.Partition))
		if p.Next != nil {
			metrics <- prometheus.MustNewConstMetric(nextDesc, prometheus.GaugeValue, float64(*p.Next), p.Topic, partition)
		}
		if p.Lag != nil {
			metrics <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(*p.Lag), p.Topic, partition)
		}
	}
}
