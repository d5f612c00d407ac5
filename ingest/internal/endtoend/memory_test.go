package endtoend

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The database takes nothing for a while, and Kafka has far more than may be buffered.
func TestMemoryStaysBoundedWhileTheDatabaseIsSlow(t *testing.T) {
	const buffer, records, size = 16 << 20, 60_000, 4 << 10
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	c := client(t, brokers, kgo.MaxBufferedRecords(2000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	text := bytes.Repeat([]byte("x"), size)
	for n := range records {
		record := value(n)
		record.Value = append(append([]byte(`{"n": 1, "text": "`), text...), `"}`...)
		c.Produce(context.Background(), record, nil)
	}
	if err := c.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	create(t, dsn, events)
	release := lock(t, dsn)
	d := podOf(brokers, database, 1)
	d.buffer, d.memory = buffer, "120MiB"
	p := d.start(t)
	held := 0
	p.waitUntil(t, "a full buffer", func() bool {
		_, metrics := p.get("/metrics")
		for line := range strings.Lines(metrics) {
			if number, is := strings.CutPrefix(line, "mesh_ingest_buffered_bytes "); is {
				float, _ := strconv.ParseFloat(strings.TrimSpace(number), 64)
				held = int(float)
			}
		}
		return held >= buffer
	})
	time.Sleep(2 * time.Second)
	// One answer of the broker may come on top.
	if held > buffer+17<<20 {
		t.Errorf("%d bytes are buffered", held)
	}
	stalled := peakMemory(p)
	release()
	p.waitUntil(t, "the end of the log", func() bool { return caughtUp(t, cluster, dsn) })
	peak := peakMemory(p)
	t.Logf("%d MiB of records, %d MiB buffered, peak %d MiB stalled, %d MiB at the end", records*size>>20, held>>20, stalled>>10, peak>>10)
	if peak == 0 {
		t.Skip("no /proc")
	}
	if peak > 200<<10 {
		t.Errorf("%d MiB at the peak", peak>>10)
	}
}
