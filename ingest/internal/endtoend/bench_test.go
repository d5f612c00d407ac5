package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The whole way from Kafka into the table, beside one COPY of the same rows by hand, which is the limit. The broker runs in this process and takes
// its share of the machine.
func BenchmarkIngestBesideCopy(b *testing.B) {
	const partitions, rows = 4, 400_000
	_, dsn := server.Database(b, "events", "byhand")
	cluster, brokers := broker(b, partitions)
	c := client(b, brokers, kgo.MaxBufferedRecords(100_000))
	var text bytes.Buffer
	for n := range rows {
		record := value(n)
		record.Partition = int32(n % partitions)
		record.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(n))
		c.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
		fmt.Fprintf(&text, "%d\t%d\t%s\t%s\t%s\n", record.Partition, n/partitions, record.Timestamp.UTC().Format(time.RFC3339Nano), record.Key, record.Value)
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	var limit, taken time.Duration
	var memory string
	for b.Loop() {
		testdb.Exec(b, dsn, "TRUNCATE events, byhand, mesh_offsets; CHECKPOINT")
		limit += copyByHand(b, dsn, text.Bytes())
		testdb.Exec(b, dsn, "CHECKPOINT")
		begin := time.Now()
		p := ingest(b, brokers, dsn, starts(b, dsn, partitions), "")
		p.waitUntil(b, "the end of the log", func() bool { return caughtUp(b, cluster, dsn) })
		taken += time.Since(begin)
		memory = peakMemory(p)
		p.kill()
		if got := testdb.Text(b, dsn, "SELECT count(*) FROM (TABLE events EXCEPT TABLE byhand) AS other"); got != "0" {
			b.Fatalf("%s rows differ from those copied by hand", got)
		}
	}
	perSecond := func(d time.Duration) float64 { return rows * float64(b.N) / d.Seconds() }
	b.ReportMetric(perSecond(taken), "rows/s")
	b.ReportMetric(perSecond(limit), "copied-rows/s")
	b.ReportMetric(perSecond(taken)/perSecond(limit), "of-copy")
	b.Logf("peak memory of the program: %s", memory)
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

func peakMemory(p *process) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if found := regexp.MustCompile(`VmHWM:\s*(.*)`).FindSubmatch(status); found != nil {
		return string(found[1])
	}
	return "unknown"
}
