package endtoend

import (
	"context"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAbortedTransactionsLeaveNoRowsAndTheOffsetReachesTheEndOfTheLog(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	transactions(t, brokers)
	p := podOf(brokers, database, 1).start(t)
	p.waitUntil(t, "the end of the log", func() bool { return caughtUp(t, cluster, dsn) })
	wantRows(t, cluster, brokers, dsn)
	if got := testdb.Text(t, dsn, "SELECT string_agg(doc->>'n', ' ' ORDER BY off) || ' ' || (SELECT next_offset FROM mesh_offsets) FROM events"); got != "0 1 20 21 12" {
		t.Error(got)
	}
}

func TestCompactedTopicsAreTakenAsTheyAre(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	c := compact(t, cluster, brokers, 1, 1000)
	p := podOf(brokers, database, 1).start(t)
	p.waitUntil(t, "the end of the log", func() bool { return caughtUp(t, cluster, dsn) })
	rows := wantRows(t, cluster, brokers, dsn)
	t.Logf("%d of 1000 records are left", rows)
	if rows == 1000 {
		t.Error("nothing was compacted: the gaps are missing")
	}
	p.kill()
	for n := range 10 {
		produce(t, c, value(n))
	}
	p = podOf(brokers, database, 1).start(t)
	p.waitUntil(t, "the new end of the log", func() bool { return caughtUp(t, cluster, dsn) })
}

func TestRecordsThatKafkaDeletedUnreadStopReadingUntilSomebodyDecides(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	deleteUnread(t, cluster, brokers, dsn)
	p := podOf(brokers, database, 1).start(t)
	p.waitReady(t, 503, "Kafka has offsets [6, 10) only; those from 3 were deleted before they were read")
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 6 WHERE topic = 'events' AND partition = 0")
	p.waitUntil(t, "the rest", func() bool { return caughtUp(t, cluster, dsn) })
	p.waitReady(t, 200, "caught up")
	p.kill()
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 60")
	podOf(brokers, database, 1).start(t).waitReady(t, 503, "the database goes on at offset 60, but Kafka's log ends at 10")
}

func TestPoisonGoesToTheDeadLetterTopicAndMetricsTell(t *testing.T) {
	database, dsn := server.Empty(t)
	create(t, dsn, events)
	testdb.Exec(t, dsn, `ALTER TABLE events ADD CHECK (doc->>'n' <> '7')`)
	cluster, brokers := broker(t, 1, kfake.SeedTopics(1, "dead"))
	c := client(t, brokers)
	var records []*kgo.Record
	for n := range 20 {
		records = append(records, value(n))
	}
	records[3].Value = []byte("no JSON")
	records[4].Value = nil
	records[7].Headers = []kgo.RecordHeader{{Key: "kafka_offset", Value: []byte("99")}}
	produce(t, c, records...)
	d := podOf(brokers, database, 1)
	d.deadLetter = "dead"
	p := d.start(t)
	p.waitUntil(t, "all rows", func() bool { return caughtUp(t, cluster, dsn) })
	if got := testdb.Text(t, dsn, `SELECT string_agg(off || ' ' || coalesce(doc->>'base64', 'null'), ', ' ORDER BY off) FROM events WHERE doc IS NULL OR doc ? 'base64'`); got != "3 bm8gSlNPTg==, 4 null" {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events"); got != "19" {
		t.Error(got)
	}
	dead := deadLetters(t, brokers, 1)
	if string(dead[0].Value) != string(records[7].Value) {
		t.Fatal(dead)
	}
	if text := headersOf(dead[0]); !strings.HasPrefix(text, "kafka_offset=99 mesh_topic=events mesh_partition=0 mesh_offset=7 mesh_error=") || !strings.Contains(text, "23514") {
		t.Error(text)
	}
	_, text := p.get("/metrics")
	for _, line := range []string{"mesh_ingest_rows 19", "mesh_ingest_records_total 20", "mesh_ingest_batches ", "mesh_ingest_bytes ", "mesh_ingest_transaction_seconds ",
		"mesh_ingest_dead_letters 1", `mesh_ingest_next_offset{partition="0",topic="events"} 20`, `mesh_ingest_lag{partition="0",topic="events"} 0`, "mesh_ingest_ready 1",
		"mesh_ingest_buffered_bytes 0", "mesh_ingest_starts_total 1", "process_resident_memory_bytes"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// transactions puts 0, 1 and 20, 21 into committed transactions, 10, 11 and 30, 31 into aborted ones, in that order by tens.
func transactions(t *testing.T, brokers string) {
	t.Helper()
	c := client(t, brokers, kgo.TransactionalID("mover"))
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, c, value(10*i), value(10*i+1))
		if err := c.EndTransaction(context.Background(), end); err != nil {
			t.Fatal(err)
		}
	}
}

// compact makes the topic anew with compaction, fills it with so many records and compacts it.
func compact(t *testing.T, cluster *kfake.Cluster, brokers string, partitions int32, records int) *kgo.Client {
	t.Helper()
	if err := cluster.DeleteTopic("events"); err != nil {
		t.Fatal(err)
	}
	policy := map[string]string{"cleanup.policy": "compact", "segment.bytes": "4096", "min.cleanable.dirty.ratio": "0.0"}
	if err := cluster.CreateTopic("events", partitions, policy); err != nil {
		t.Fatal(err)
	}
	c := client(t, brokers)
	for n := range records {
		produce(t, c, value(n))
	}
	cluster.Compact()
	return c
}

// deleteUnread lets the database go on at offset 3 of 10, and Kafka begin at 6.
func deleteUnread(t *testing.T, cluster *kfake.Cluster, brokers, dsn string) {
	t.Helper()
	c := client(t, brokers)
	for n := range 10 {
		produce(t, c, value(n))
	}
	create(t, dsn, events)
	testdb.Exec(t, dsn, "INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('events', 0, 3)")
	if err := cluster.DeleteRecords("events", 0, 6); err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, dsn string, facts table.Facts) {
	t.Helper()
	testdb.Exec(t, dsn, strings.Join(testdb.Schema(facts), ";"))
}

// deadLetters waits for so many.
func deadLetters(t *testing.T, brokers string, count int) []*kgo.Record {
	t.Helper()
	reader := client(t, brokers, kgo.ConsumeTopics("dead"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var dead []*kgo.Record
	for len(dead) < count && ctx.Err() == nil {
		dead = append(dead, reader.PollFetches(ctx).Records()...)
	}
	if len(dead) != count {
		t.Fatalf("%d dead letters, not %d", len(dead), count)
	}
	return dead
}

func headersOf(record *kgo.Record) string {
	var headers []string
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+string(header.Value))
	}
	return strings.Join(headers, " ")
}
