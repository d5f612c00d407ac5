package endtoend

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"compute-mesh.dev/ingest/internal/testdb"
)

func TestAnEmptyDatabaseIsPreparedAndFilled(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 4)
	spread(t, brokers, 40, 3)
	p := podOf(brokers, database, 4).start(t)
	p.waitReady(t, 200, "caught up")
	if rows := wantRows(t, cluster, brokers, dsn); rows != 40 {
		t.Error(rows)
	}
	if got := testdb.Text(t, dsn, "SELECT string_agg(shard || ' ' || source, ', ' ORDER BY shard) FROM mesh_shards"); got != "0 kafka, 1 kafka, 2 kafka, 3 kafka" {
		t.Error(got)
	}
	if status, body := p.get("/ping"); status != 200 || body != "pong\n" {
		t.Error(status, body)
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if status := p.command.ProcessState.ExitCode(); status != 0 || strings.Contains(p.log.String(), "secret") {
		t.Error(status, p.log)
	}
}

func TestOnlyThePartitionsOfTheNodesShardsAreReadFromWhereTheDatabaseIs(t *testing.T) {
	database, dsn := server.Empty(t)
	_, brokers := broker(t, 8)
	spread(t, brokers, 80, 8)
	create(t, dsn, events)
	testdb.Exec(t, dsn, "INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('events', 1, 7); INSERT INTO mesh_shards VALUES (1, '20261121t0600z')")
	d := podOf(brokers, database, 8)
	d.shardCount, d.shards = 4, "1,3"
	p := d.start(t)
	p.waitReady(t, 200, "caught up")
	if got := testdb.Text(t, dsn, "SELECT string_agg(part || ':' || n, ' ' ORDER BY part) FROM (SELECT part, count(*) n FROM events GROUP BY part) x"); got != "1:3 3:10 5:10 7:10" {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT string_agg(shard || ' ' || source, ', ' ORDER BY shard) FROM mesh_shards"); got != "1 20261121t0600z, 3 kafka" {
		t.Error(got)
	}
	if !strings.Contains(p.log.String(), "shards 1,3, 4 partitions: events/1 at 7, events/3 at its oldest record, events/5 at its oldest record") {
		t.Error(p.log)
	}
	_, body := p.get("/ready")
	var report struct {
		Ready      bool
		Partitions []struct{ Next, Lag int64 }
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil || !report.Ready || len(report.Partitions) != 4 || report.Partitions[0].Next != 10 || report.Partitions[0].Lag != 0 {
		t.Error(err, body)
	}
}

func TestANodeWithoutShardsIsReadyAndIdle(t *testing.T) {
	database, dsn := server.Empty(t)
	_, brokers := broker(t, 1)
	produce(t, client(t, brokers), value(0))
	d := podOf(brokers, database, 1)
	d.shards = ""
	d.start(t).waitReady(t, 200, "no shard")
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events"); got != "0" {
		t.Error(got)
	}
}

func TestShardsAreReadAsTheDatabaseGetsThem(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 3)
	spread(t, brokers, 30, 3)
	d := podOf(brokers, database, 3)
	d.await = true
	p := d.start(t)
	p.waitReady(t, 503, "shards 0,1,2 are not in mesh_shards yet")
	testdb.Exec(t, dsn, "INSERT INTO mesh_shards VALUES (0, 'kafka'), (2, 'kafka')")
	p.waitReady(t, 503, "shards 1 are not in mesh_shards yet")
	p.waitUntil(t, "two shards", func() bool { return testdb.Text(t, dsn, "SELECT count(*) FROM events") == "20" })
	// As the agent restores a shard.
	testdb.Exec(t, dsn, `BEGIN; INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('events', 1, 4); INSERT INTO mesh_shards VALUES (1, '20261121t0600z'); COMMIT`)
	p.waitReady(t, 200, "caught up")
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events WHERE part = 1"); got != "6" {
		t.Error(got)
	}
	if !caughtUp(t, cluster, dsn) {
		t.Error("not at the end")
	}
}

func TestReadinessFollowsTheLag(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	c := client(t, brokers)
	produce(t, c, value(0))
	d := podOf(brokers, database, 1)
	d.maxLag = 5
	p := d.start(t)
	p.waitUntil(t, "the first row", func() bool { return caughtUp(t, cluster, dsn) })
	p.waitReady(t, 200, "caught up")
	// Somebody locks the table: rows wait.
	release := lock(t, dsn)
	for n := range 40 {
		produce(t, c, value(n))
	}
	p.waitUntil(t, "a lag", func() bool { _, body := p.get("/ready"); return strings.Contains(body, `"lag":40`) })
	p.waitReady(t, 200, "caught up")
	for n := range 40 {
		produce(t, c, value(n))
	}
	p.waitReady(t, 503, "catching up: 1 of 1 partitions")
	release()
	p.waitReady(t, 200, "caught up")
}

func TestWrongSettingsEndTheProgramWithEveryPath(t *testing.T) {
	database, _ := server.Empty(t)
	d := podOf("", database, 1)
	d.buffer = 0
	p := d.start(t)
	<-p.ended
	if text := p.log.String(); p.command.ProcessState.ExitCode() != 2 || !strings.Contains(text, "kafka.brokers[0]") || !strings.Contains(text, "bufferBytes: 0 is given") {
		t.Error(p.command.ProcessState.ExitCode(), text)
	}
}
