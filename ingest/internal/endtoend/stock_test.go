package endtoend

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The rounds of TestKillsLoseNothingAndDoubleNothing, for the engines that are not ours. At the end every partition gets a record, because these engines
// store the offset behind the last record, not the end of the log.
func TestKillsOfStockEnginesLoseNothingAndDoubleNothing(t *testing.T) {
	eachStock(t, func(t *testing.T, program stockProgram) {
		const partitions = 4
		s := startStorm(t, partitions, 6, 60)
		through := program.pod(t, s.brokers, s.database)
		through.port = s.port
		commits := 0
		for round := range s.rounds {
			p := through.start(t)
			before := s.written(t)
			// Scripts and engine need longer to start than ours, how long depends on the machine. Every fourth round may end before it writes.
			if round%4 != 3 {
				p.waitUntil(t, "the first rows", func() bool { return s.written(t) != before })
			}
			s.pause(0, 900)
			s.strike(t, round, p.process)
			p.kill()
			if s.written(t) != before {
				commits++
			}
		}
		total := s.calm()
		// A failure costs these engines up to a second, so catching up would take minutes.
		testdb.Exec(t, s.dsn, "DROP TRIGGER fail_at_commit ON mesh_offsets")
		produceLast(t, s.brokers, partitions)
		p := program.pod(t, s.brokers, s.database).start(t)
		p.waitUntil(t, "catching up", func() bool { return caughtUp(t, s.cluster, s.dsn) })
		rows := wantRows(t, s.cluster, s.brokers, s.dsn, kgo.FetchIsolationLevel(program.sees))
		t.Logf("%d records sent, %d rows, %d of %d rounds wrote before they were killed", total, rows, commits, s.rounds)
		if commits == 0 {
			t.Error("no round wrote anything: the kills proved nothing")
		}
	})
}

func produceLast(t *testing.T, brokers string, partitions int32) {
	t.Helper()
	c := client(t, brokers)
	for partition := range partitions {
		record := value(int(partition))
		record.Partition = partition
		produce(t, c, record)
	}
}

func TestStockEnginesPassOverMarkersAndStayBehindTheLastOfThem(t *testing.T) {
	eachStock(t, func(t *testing.T, program stockProgram) {
		database, dsn := server.Empty(t)
		cluster, brokers := broker(t, 4)
		want := "0 1 20 21"
		if program.name == "bento" {
			// The limit of a program without an isolation level.
			want = "0 1 10 11 20 21 30 31"
		}
		transactions(t, brokers)
		numbers := func() string {
			return testdb.Text(t, dsn, "SELECT string_agg(doc->>'n', ' ' ORDER BY off) FROM events")
		}
		pod := program.pod(t, brokers, database)
		p := pod.start(t)
		p.waitUntil(t, "the records", func() bool { return offsetOf(t, dsn, 0) != "NULL" && numbers() == want })
		last := map[string]string{"connect": "8", "bento": "11"}[program.name]
		if got := offsetOf(t, dsn, 0); got != last {
			t.Errorf("next offset %s, not %s", got, last)
		}
		p.kill()
		// From an offset that is a gap by now, and in one run over the next gap.
		p = pod.start(t)
		produce(t, client(t, brokers), value(40))
		p.waitUntil(t, "the next record", func() bool { return caughtUp(t, cluster, dsn) })
		if got := numbers(); got != want+" 40" {
			t.Error(got)
		}
	})
}

func TestStockEnginesTakeCompactedTopicsAsTheyAre(t *testing.T) {
	eachStock(t, func(t *testing.T, program stockProgram) {
		database, dsn := server.Empty(t)
		cluster, brokers := broker(t, 4)
		compact(t, cluster, brokers, 4, 3000)
		p := program.pod(t, brokers, database).start(t)
		p.waitUntil(t, "the end of the log", func() bool { return caughtUp(t, cluster, dsn) })
		if rows := wantRows(t, cluster, brokers, dsn); rows == 3000 {
			t.Error("nothing was compacted: the gaps are missing")
		}
	})
}

func TestStockEnginesStandStillWhereKafkaHasDeletedUnreadRecords(t *testing.T) {
	eachStock(t, func(t *testing.T, program stockProgram) {
		database, dsn := server.Empty(t)
		cluster, brokers := broker(t, 4)
		deleteUnread(t, cluster, brokers, dsn)
		pod := program.pod(t, brokers, database)
		p := pod.start(t)
		p.waitUntil(t, "the complaint", func() bool { return strings.Contains(p.log.String(), "OFFSET_OUT_OF_RANGE") })
		time.Sleep(time.Second)
		if got := testdb.Text(t, dsn, "SELECT (SELECT count(*) FROM events) || ' ' || next_offset FROM mesh_offsets"); got != "0 3" {
			t.Error(got)
		}
		p.kill()
		testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 6")
		p = pod.start(t)
		p.waitUntil(t, "the rest", func() bool { return caughtUp(t, cluster, dsn) })
		if got := testdb.Text(t, dsn, "SELECT min(off) || ' ' || count(*) FROM events"); got != "6 4" {
			t.Error(got)
		}
	})
}

func TestOneRecordThatCannotBeStoredStopsItsPartitionOfAStockEngine(t *testing.T) {
	for name, poison := range map[string]func(*kgo.Record){
		"refused by the database": func(r *kgo.Record) { r.Value = []byte(`{"n": 7}`) },
		"a header of the engine": func(r *kgo.Record) {
			r.Headers = []kgo.RecordHeader{{Key: "kafka_offset", Value: []byte("99")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStock(t, func(t *testing.T, program stockProgram) {
				database, dsn := server.Empty(t)
				create(t, dsn, events)
				testdb.Exec(t, dsn, `ALTER TABLE events ADD CHECK (doc->>'n' <> '7')`)
				_, brokers := broker(t, 4)
				c := client(t, brokers)
				p := program.pod(t, brokers, database).start(t)
				produce(t, c, value(0))
				p.waitUntil(t, "the first record", func() bool { return offsetOf(t, dsn, 0) == "1" })
				bad := value(1)
				poison(bad)
				produce(t, c, bad)
				time.Sleep(100 * time.Millisecond)
				produce(t, c, value(2))
				for n := range 5 {
					record := value(n)
					record.Partition = 1
					produce(t, c, record)
				}
				p.waitUntil(t, "the other partition", func() bool { return offsetOf(t, dsn, 1) == "5" })
				if got := testdb.Text(t, dsn, "SELECT count(*) FROM events WHERE part = 0"); got != "1" || offsetOf(t, dsn, 0) != "1" {
					t.Errorf("%s rows, next offset %s", got, offsetOf(t, dsn, 0))
				}
			})
		})
	}
}

func TestAStockEngineIsAskedForAnewWhereTheDatabaseComesBackEmpty(t *testing.T) {
	eachStock(t, func(t *testing.T, program stockProgram) {
		for name, lose := range map[string]string{
			"new":     "DROP TABLE events, mesh_offsets, mesh_shards, mesh_cuts",
			"emptied": "TRUNCATE events, mesh_offsets, mesh_shards",
			"older":   "DELETE FROM events WHERE off >= 1; UPDATE mesh_offsets SET next_offset = 1",
		} {
			t.Run(name, func(t *testing.T) {
				database, dsn := server.Empty(t)
				cluster, brokers := broker(t, 4)
				c := client(t, brokers)
				produce(t, c, value(0), value(1))
				pod := program.pod(t, brokers, database)
				p := pod.start(t)
				p.waitUntil(t, "the first records", func() bool { return caughtUp(t, cluster, dsn) })
				watch := pod.watch(t)
				time.Sleep(time.Second)
				testdb.Exec(t, dsn, lose)
				produce(t, c, value(2))
				watch.waitUntil(t, "the request for a new engine", pod.wantsRestart)
				p.kill()
				p = pod.run(t, `exec sh "$INGEST_SETTINGS/engine.sh"`)
				p.waitUntil(t, "the records again", func() bool { return caughtUp(t, cluster, dsn) })
				wantRows(t, cluster, brokers, dsn)
			})
		}
	})
}

// Rows of documents, from the start of the pod to the end of the log, beside our own engine with batches of the same size.
func BenchmarkStockBesideOurs(b *testing.B) {
	const partitions, rows = 4, 200_000
	cluster, brokers := broker(b, partitions)
	c := client(b, brokers, kgo.MaxBufferedRecords(100_000))
	for n := range rows {
		record := value(n)
		record.Partition = int32(n % partitions)
		c.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	measure := func(b *testing.B, start func(database string) *process) {
		var taken, processor time.Duration
		memory := 0
		for b.Loop() {
			database, dsn := server.Empty(b)
			testdb.Exec(b, dsn, "CHECKPOINT")
			begin := time.Now()
			p := start(database)
			p.waitUntil(b, "the end of the log", func() bool { return caughtUp(b, cluster, dsn) })
			taken += time.Since(begin)
			memory = max(memory, peakMemory(p))
			p.kill()
			processor += p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
			if got := testdb.Text(b, dsn, "SELECT count(*) FROM events"); got != fmt.Sprint(rows) {
				b.Fatalf("%s rows", got)
			}
		}
		b.ReportMetric(rows*float64(b.N)/taken.Seconds(), "rows/s")
		// Tells more where other work shares the machine; the database's own time is not in it.
		b.ReportMetric(rows*float64(b.N)/processor.Seconds(), "rows/cpu-s")
		b.ReportMetric(float64(memory)/1024, "peak-MiB")
	}
	b.Run("mesh", func(b *testing.B) {
		measure(b, func(database string) *process { return podOf(brokers, database, partitions).start(b) })
	})
	for _, program := range stockPrograms {
		b.Run(program.name, func(b *testing.B) {
			program.need(b)
			measure(b, func(database string) *process {
				pod := program.pod(b, brokers, database)
				// As it is by default.
				pod.replace = append(pod.replace, "count: 1000\n", "count: 5000\n", "checkpoint_limit: 4000", "checkpoint_limit: 20000", "period: 20ms", "period: 200ms")
				return pod.start(b).process
			})
		})
	}
}
