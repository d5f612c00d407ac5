package endtoend

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAbortedTransactionsLeaveNoRowsAndTheOffsetReachesTheEndOfTheLog(t *testing.T) {
	_, dsn := server.Database(t, "events")
	cluster, brokers := broker(t, 1)
	ctx := context.Background()
	c := client(t, brokers, kgo.TransactionalID("mover"))
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, c, value(10*i), value(10*i+1))
		if err := c.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	p := ingest(t, brokers, dsn, "events:0", "")
	p.waitUntil(t, "the end of the log", func() bool { return caughtUp(t, cluster, dsn) })
	wantRows(t, cluster, brokers, dsn)
	if got := testdb.Text(t, dsn, "SELECT string_agg(doc->>'n', ' ' ORDER BY off) || ' ' || (SELECT next_offset FROM mesh_offsets) FROM events"); got != "0 1 20 21 12" {
		t.Error(got)
	}
}

func TestCompactedTopicsAreTakenAsTheyAre(t *testing.T) {
	_, dsn := server.Database(t, "events")
	cluster, brokers := broker(t, 1)
	if err := cluster.DeleteTopic("events"); err != nil {
		t.Fatal(err)
	}
	policy := map[string]string{"cleanup.policy": "compact", "segment.bytes": "4096", "min.cleanable.dirty.ratio": "0.0"}
	if err := cluster.CreateTopic("events", 1, policy); err != nil {
		t.Fatal(err)
	}
	c := client(t, brokers)
	for n := range 1000 {
		produce(t, c, value(n))
	}
	cluster.Compact()
	p := ingest(t, brokers, dsn, "events:0", "")
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
	p = ingest(t, brokers, dsn, starts(t, dsn, 1), "")
	p.waitUntil(t, "the new end of the log", func() bool { return caughtUp(t, cluster, dsn) })
}

func TestRecordsThatKafkaDeletedUnreadStopTheProgram(t *testing.T) {
	_, dsn := server.Database(t, "events")
	cluster, brokers := broker(t, 1)
	c := client(t, brokers)
	for n := range 10 {
		produce(t, c, value(n))
	}
	testdb.Exec(t, dsn, "INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('events', 0, 3)")
	if err := cluster.DeleteRecords("events", 0, 6); err != nil {
		t.Fatal(err)
	}
	ingest(t, brokers, dsn, starts(t, dsn, 1), "").wantEnd(t, "Kafka has offsets [6, 10) only; those from 3 were deleted before they were read")
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 6")
	ingest(t, brokers, dsn, starts(t, dsn, 1), "").waitUntil(t, "the rest", func() bool { return caughtUp(t, cluster, dsn) })
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 60")
	ingest(t, brokers, dsn, starts(t, dsn, 1), "").wantEnd(t, "the database goes on at offset 60, but Kafka's log ends at 10")
}

func TestADatabaseThatLostItsRowsIsFilledAgainAfterARestart(t *testing.T) {
	_, dsn := server.Database(t, "events")
	cluster, brokers := broker(t, 1)
	c := client(t, brokers)
	produce(t, c, value(0), value(1))
	p := ingest(t, brokers, dsn, starts(t, dsn, 1), "")
	p.waitUntil(t, "the first rows", func() bool { return caughtUp(t, cluster, dsn) })
	testdb.Exec(t, dsn, "TRUNCATE events, mesh_offsets")
	produce(t, c, value(2))
	p.wantEnd(t, "no offset for this partition any more")
	p = ingest(t, brokers, dsn, starts(t, dsn, 1), "")
	p.waitUntil(t, "all rows", func() bool { return caughtUp(t, cluster, dsn) })
	if rows := wantRows(t, cluster, brokers, dsn); rows != 3 {
		t.Error(rows)
	}
}

func TestPoisonGoesToTheDeadLetterTopicAndMetricsTell(t *testing.T) {
	_, dsn := server.Database(t, "events")
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
	p := ingest(t, brokers, dsn, "events:0", "    dead_letter: dead\n")
	p.waitUntil(t, "all rows", func() bool { return caughtUp(t, cluster, dsn) })
	if got := testdb.Text(t, dsn, `SELECT string_agg(off || ' ' || coalesce(doc->>'base64', 'null'), ', ' ORDER BY off) FROM events WHERE doc IS NULL OR doc ? 'base64'`); got != "3 bm8gSlNPTg==, 4 null" {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events"); got != "19" {
		t.Error(got)
	}
	reader := client(t, brokers, kgo.ConsumeTopics("dead"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dead := reader.PollFetches(ctx).Records()
	if len(dead) != 1 || string(dead[0].Value) != string(records[7].Value) {
		t.Fatal(dead)
	}
	var headers []string
	for _, header := range dead[0].Headers {
		headers = append(headers, header.Key+"="+string(header.Value))
	}
	if text := strings.Join(headers, " "); !strings.HasPrefix(text, "kafka_offset=99 mesh_topic=events mesh_partition=0 mesh_offset=7 mesh_error=") || !strings.Contains(text, "23514") {
		t.Error(text)
	}
	answer, err := http.Get("http://" + p.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	for _, line := range []string{"mesh_ingest_rows{", "mesh_ingest_batches{", "mesh_ingest_bytes{", "mesh_ingest_transaction_seconds{", "mesh_ingest_dead_letters{",
		fmt.Sprintf("mesh_ingest_next_offset{label=\"\",partition=\"0\",path=\"root.output\",topic=\"events\"} %d", 20), "mesh_ingest_lag{"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

func TestATopicThatIsMissingIsNamedAndWaitedFor(t *testing.T) {
	_, dsn := server.Database(t, "events")
	cluster, brokers := broker(t, 1)
	if err := cluster.DeleteTopic("events"); err != nil {
		t.Fatal(err)
	}
	p := ingest(t, brokers, dsn, "events:0", "")
	p.waitUntil(t, "a log that names it", func() bool { return strings.Contains(p.log.String(), "offsets of events: UNKNOWN_TOPIC_OR_PARTITION") })
	answer, err := http.Get("http://" + p.address + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		t.Error("ready without a topic")
	}
	if err := cluster.CreateTopic("events", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, brokers), value(0))
	p.waitUntil(t, "the row", func() bool { return caughtUp(t, cluster, dsn) })
}
