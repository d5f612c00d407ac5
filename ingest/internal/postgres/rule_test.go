package postgres

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/jackc/pgx/v5"
)

func TestRowsAndTheirOffsetAreStoredAsTheTableSays(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, _ := connected(t, dsn, "")
	write(t, o, batch(0, 3, true, 0, 1, 2))
	wantState(t, dsn, "0 1 2", "3")
	row := testdb.Text(t, dsn, "SELECT row(part, off, ts AT TIME ZONE 'UTC', key, doc) FROM events WHERE off = 1")
	if row != `(0,1,"2023-11-14 22:13:20.123",k,"{""n"": 1}")` {
		t.Error(row)
	}
}

func TestAStretchThatIsWrittenAlreadyIsSkippedAndOneThatOverlapsIsTrimmed(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, _ := connected(t, dsn, "")
	write(t, o, batch(0, 3, true, 0, 1, 2))
	write(t, o, batch(0, 3, true, 0, 1, 2))
	write(t, o, batch(1, 5, false, 1, 2, 3, 4))
	write(t, o, batch(0, 2, false, 0, 1))
	wantState(t, dsn, "0 1 2 3 4", "5")
}

func TestGapsOfKafkaPassAndMovePositions(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, _ := connected(t, dsn, "")
	write(t, o, batch(0, 3, true, 0, 2))
	write(t, o, batch(3, 90, false, 7, 80))
	write(t, o, batch(90, 92, false))
	wantState(t, dsn, "0 2 7 80", "92")
}

func TestAHoleBetweenStretchesStopsTheProcess(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, stopped := connected(t, dsn, "")
	write(t, o, batch(0, 3, true, 0, 1, 2))
	if err := o.WriteBatch(context.Background(), batch(4, 6, false, 4, 5)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "t/0 offsets [4, 6): the database goes on at offset 3")
	wantState(t, dsn, "0 1 2", "3")
}

func TestTheFirstStretchAfterAStartMustBeginWhereTheDatabaseIs(t *testing.T) {
	_, dsn := server.Database(t, "events")
	testdb.Exec(t, dsn, "INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('t', 0, 10)")
	o, stopped := connected(t, dsn, "")
	if err := o.WriteBatch(context.Background(), batch(11, 13, false, 11, 12)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "goes on at offset 10")
	// Below is a replay, and harmless.
	write(t, o, batch(8, 12, false, 8, 9, 10, 11))
	wantState(t, dsn, "10 11", "12")
}

func TestAPartitionWithoutAnOffsetTakesOnlyItsBeginning(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, stopped := connected(t, dsn, "")
	if err := o.WriteBatch(context.Background(), batch(5, 7, false, 5, 6)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "no offset for this partition any more")
	wantState(t, dsn, "", "NULL")
	// Kafka's oldest record need not be record 0.
	write(t, o, batch(5, 7, true, 5, 6))
	wantState(t, dsn, "5 6", "7")
}

func TestADatabaseThatCameBackEmptyOrOlderStopsTheProcess(t *testing.T) {
	for name, change := range map[string]string{
		"no offset for this partition any more":  "DELETE FROM events; DELETE FROM mesh_offsets",
		"goes on at offset 2":                    "DELETE FROM events WHERE off >= 2; UPDATE mesh_offsets SET next_offset = 2",
		`relation "mesh_offsets" does not exist`: "DROP TABLE events, mesh_offsets",
	} {
		t.Run(name, func(t *testing.T) {
			_, dsn := server.Database(t, "events")
			o, stopped := connected(t, dsn, "")
			write(t, o, batch(0, 3, true, 0, 1, 2))
			testdb.Exec(t, dsn, change)
			if err := o.WriteBatch(context.Background(), batch(3, 4, false, 3)); err == nil {
				t.Fatal("written")
			}
			stopped.want(t, name)
		})
	}
}

func TestRowsThatSomebodyReplaysByHandAreNotDoubled(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, _ := connected(t, dsn, "")
	write(t, o, batch(0, 5, true, span(0, 5)...))
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 2")
	write(t, o, batch(2, 8, false, span(2, 8)...))
	wantState(t, dsn, "0 1 2 3 4 5 6 7", "8")
}

func TestTablesThatDoNotFitAreNamed(t *testing.T) {
	_, dsn := server.Database(t, "events")
	testdb.Exec(t, dsn, "ALTER TABLE events ALTER part TYPE bigint, DROP COLUMN key")
	conf, err := spec().ParseYAML("dsn: "+dsn+"\ntables: { t: events }", nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOutput(conf, resources())
	if err != nil {
		t.Fatal(err)
	}
	o.fatal = func(error) {}
	defer func() { _ = o.Close(context.Background()) }()
	err = o.Connect(context.Background())
	for _, text := range []string{`table "events" does not fit`, `part must be integer and is "bigint"`, `key must be text and is ""`} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not say %s", err, text)
		}
	}
}

// The other writer passed a stretch that has no rows any more (compaction), so that no primary key would tell.
func TestAWriterWaitsForAnotherAndNeverTakesTheOffsetBack(t *testing.T) {
	_, dsn := server.Database(t, "events")
	o, _ := connected(t, dsn, "")
	write(t, o, batch(0, 3, true, 0, 1, 2))
	ctx := context.Background()
	other, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(ctx) }()
	if _, err := other.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(ctx, "UPDATE mesh_offsets SET next_offset = 10"); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- o.WriteBatch(ctx, batch(3, 5, false, 3, 4)) }()
	select {
	case err := <-written:
		t.Fatal("did not wait", err)
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := other.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	wantState(t, dsn, "0 1 2", "10")
}

// Two writers that deliver the same log in their own stretches, with replays, at the same time: every record once, offsets without a hole.
func TestTwoWritersOfOnePartitionFenceEachOther(t *testing.T) {
	const records = 600
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	_, dsn := server.Database(t, "events")
	done := make(chan error, 2)
	for writer := range 2 {
		o, stopped := connected(t, dsn, "")
		go func() {
			random := rand.New(rand.NewPCG(seed, uint64(writer)))
			for at := int64(0); at < records; {
				to := min(records, at+1+random.Int64N(20))
				if err := o.WriteBatch(context.Background(), batch(at, to, at == 0, span(at, to)...)); err != nil {
					done <- err
					return
				}
				at = max(0, to-random.Int64N(3)*random.Int64N(4))
				if to == records {
					break
				}
			}
			if len(stopped.list) > 0 {
				t.Error(stopped.list)
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if got := testdb.Text(t, dsn, "SELECT row(count(*), min(off), max(off)) FROM events"); got != "(600,0,599)" {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT next_offset FROM mesh_offsets"); got != "600" {
		t.Error(got)
	}
}
