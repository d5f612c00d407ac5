package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The whole way from Kafka into the table, beside one COPY of the same rows by hand, which is the limit. The broker runs in this process and takes
// its share of the machine.
func BenchmarkIngestBesideCopy(b *testing.B) {
	const partitions, rows = 4, 400_000
	cluster, brokers := broker(b, partitions)
	c := client(b, brokers, kgo.MaxBufferedRecords(100_000))
	records := make([]*kgo.Record, rows)
	for n := range records {
		records[n] = value(n)
		records[n].Partition = int32(n % partitions)
		records[n].Timestamp = time.UnixMilli(1_700_000_000_000 + int64(n))
		c.Produce(context.Background(), records[n], func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	columns := []table.Column{{Name: "n", Type: table.Int64, From: []string{"n"}, Required: true}, {Name: "text", Type: table.Text, From: []string{"text"}}}
	for name, facts := range map[string]table.Facts{
		"document": events,
		"typed":    {Name: "events", Columns: columns},
		"both":     {Name: "events", Columns: columns, Document: true},
	} {
		b.Run(name, func(b *testing.B) {
			var text bytes.Buffer
			for n, record := range records {
				fmt.Fprintf(&text, "%d\t%d\t%s\t%s", record.Partition, n/partitions, record.Timestamp.UTC().Format(time.RFC3339Nano), record.Key)
				if len(facts.Columns) > 0 {
					fmt.Fprintf(&text, "\t%d\t%032d", n, n)
				}
				if facts.Document {
					fmt.Fprintf(&text, "\t%s", record.Value)
				}
				text.WriteByte('\n')
			}
			var limit, taken time.Duration
			memory := 0
			for b.Loop() {
				database, dsn := server.Empty(b)
				byHand := facts
				byHand.Name = "byhand"
				create(b, dsn, facts)
				create(b, dsn, byHand)
				limit += copyByHand(b, dsn, text.Bytes())
				testdb.Exec(b, dsn, "CHECKPOINT")
				d := podOf(brokers, database, partitions)
				d.facts = facts
				begin := time.Now()
				p := d.start(b)
				p.waitUntil(b, "the end of the log", func() bool { return caughtUp(b, cluster, dsn) })
				taken += time.Since(begin)
				memory = max(memory, peakMemory(p))
				p.kill()
				if got := testdb.Text(b, dsn, "SELECT count(*) FROM (TABLE events EXCEPT TABLE byhand) AS other"); got != "0" {
					b.Fatalf("%s rows differ from those copied by hand", got)
				}
			}
			perSecond := func(d time.Duration) float64 { return rows * float64(b.N) / d.Seconds() }
			b.ReportMetric(perSecond(taken), "rows/s")
			b.ReportMetric(perSecond(limit), "copied-rows/s")
			b.ReportMetric(perSecond(taken)/perSecond(limit), "of-copy")
			b.ReportMetric(float64(memory)/1024, "peak-MiB")
		})
	}
}

func copyByHand(b *testing.B, dsn string, text []byte) time.Duration {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	begin := time.Now()
	if _, err := conn.PgConn().CopyFrom(context.Background(), bytes.NewReader(text), "COPY byhand FROM STDIN"); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// peakMemory is the largest resident set so far, in KiB.
func peakMemory(p *process) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status); found != nil {
		size, _ := strconv.Atoi(string(found[1]))
		return size
	}
	return 0
}
