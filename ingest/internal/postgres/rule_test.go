package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestRowsAndTheirOffsetAreStoredAsTheTableSays(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
	write(t, o, batch(0, 3, true, 0, 1, 2))
	wantState(t, dsn, "0 1 2", "3")
	row := testdb.Text(t, dsn, "SELECT row(part, off, ts AT TIME ZONE 'UTC', key, doc) FROM events WHERE off = 1")
	if row != `(0,1,"2023-11-14 22:13:20.123",k,"{""n"": 1}")` {
		t.Error(row)
	}
}

func TestAStretchThatIsWrittenAlreadyIsSkippedAndOneThatOverlapsIsTrimmed(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
	write(t, o, batch(0, 3, true, 0, 1, 2))
	write(t, o, batch(0, 3, true, 0, 1, 2))
	write(t, o, batch(1, 5, false, 1, 2, 3, 4))
	write(t, o, batch(0, 2, false, 0, 1))
	wantState(t, dsn, "0 1 2 3 4", "5")
}

func TestGapsOfKafkaPassAndMovePositions(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
	write(t, o, batch(0, 3, true, 0, 2))
	write(t, o, batch(3, 90, false, 7, 80))
	write(t, o, batch(90, 92, false))
	wantState(t, dsn, "0 2 7 80", "92")
}

func TestAHoleBetweenStretchesStopsTheProcess(t *testing.T) {
	name, dsn := tables(t)
	o, stopped := connected(t, name, nil)
	write(t, o, batch(0, 3, true, 0, 1, 2))
	if err := o.WriteBatch(context.Background(), batch(4, 6, false, 4, 5)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "t/0 offsets [4, 6): the database goes on at offset 3")
	wantState(t, dsn, "0 1 2", "3")
}

func TestTheFirstStretchAfterAStartMustBeginWhereTheDatabaseIs(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, "INSERT INTO mesh_offsets (topic, partition, next_offset) VALUES ('t', 0, 10)")
	o, stopped := connected(t, name, nil)
	if err := o.WriteBatch(context.Background(), batch(11, 13, false, 11, 12)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "goes on at offset 10")
	// Below is a replay, and harmless.
	write(t, o, batch(8, 12, false, 8, 9, 10, 11))
	wantState(t, dsn, "10 11", "12")
}

func TestAPartitionWithoutAnOffsetTakesOnlyItsBeginning(t *testing.T) {
	name, dsn := tables(t)
	o, stopped := connected(t, name, nil)
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
	for text, change := range map[string]string{
		"no offset for this partition any more":  "DELETE FROM events; DELETE FROM mesh_offsets",
		"goes on at offset 2":                    "DELETE FROM events WHERE off >= 2; UPDATE mesh_offsets SET next_offset = 2",
		`relation "mesh_offsets" does not exist`: "DROP TABLE events, mesh_offsets",
	} {
		t.Run(text, func(t *testing.T) {
			name, dsn := tables(t)
			o, stopped := connected(t, name, nil)
			write(t, o, batch(0, 3, true, 0, 1, 2))
			testdb.Exec(t, dsn, change)
			if err := o.WriteBatch(context.Background(), batch(3, 4, false, 3)); err == nil {
				t.Fatal("written")
			}
			stopped.want(t, text)
		})
	}
}

func TestRowsThatSomebodyReplaysByHandAreNotDoubled(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
	write(t, o, batch(0, 5, true, sinktest.Numbers(0, 5)...))
	testdb.Exec(t, dsn, "UPDATE mesh_offsets SET next_offset = 2")
	write(t, o, batch(2, 8, false, sinktest.Numbers(2, 8)...))
	wantState(t, dsn, "0 1 2 3 4 5 6 7", "8")
}

func TestTablesThatDoNotFitAreNamedBeforeAnythingIsCreated(t *testing.T) {
	name, dsn := server.Empty(t)
	wide := table.Facts{Name: "wide", Columns: []table.Column{{Name: "price", Type: table.Decimal}, {Name: "at", Type: table.Timestamp}}}
	testdb.Exec(t, dsn, `CREATE TABLE wide (part int, off bigint, ts timestamptz, key text, price numeric(20, 2), more int DEFAULT 5, PRIMARY KEY (part, off))`)
	err := sinkOf(t, name).Prepare(context.Background(), testdb.Schema(wide), []table.Facts{wide})
	var misfit *sink.Misfit
	if !errors.As(err, &misfit) || misfit.Table != "wide" || !slices.Equal(misfit.Differences,
		[]string{`column "price": numeric(20,2) found, numeric(38,9) expected`, `column "at": not found, timestamp with time zone expected`}) {
		t.Error(err)
	}
	if got := testdb.Text(t, dsn, "SELECT to_regclass('mesh_offsets')"); got != "NULL" {
		t.Error(got)
	}
}

func TestATableThatNobodyCreatesIsNamed(t *testing.T) {
	name, _ := server.Empty(t)
	err := sinkOf(t, name).Prepare(context.Background(), testdb.Schema(), []table.Facts{facts})
	if err == nil || !strings.Contains(err.Error(), `table "events" does not fit the settings: it does not exist`) {
		t.Error(err)
	}
}

func TestSeveralMayCreateTheTablesAtOnce(t *testing.T) {
	name, _ := server.Empty(t)
	done := make(chan error, 4)
	for range cap(done) {
		s := sinkOf(t, name)
		go func() { done <- s.Prepare(context.Background(), testdb.Schema(facts), []table.Facts{facts}) }()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	name, _ := server.Empty(t)
	s := sinkOf(t, name)
	for code, want := range map[string]sink.Class{"28P01": sink.Credentials, "42501": sink.Credentials, "3D000": sink.Setup, "42P01": sink.Gone, "23505": sink.Poison,
		"22003": sink.DocumentLimit, "54000": sink.DocumentLimit, "57P01": sink.Transient, "40001": sink.Transient, "53100": sink.Transient} {
		if got := s.Classify(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s is %v, not %v", code, got, want)
		}
	}
	if got := s.Classify(errors.New("connection reset")); got != sink.Transient {
		t.Error(got)
	}
	if _, err := open(sink.Settings{Host: "db", Port: 1, Database: "d", TLS: true, CAFile: "/nowhere"}); err == nil || !strings.Contains(err.Error(), "database.tls.caFile") {
		t.Error(err)
	}
}

func TestDecimalsAreEncodedAsPostgreSQLReadsThem(t *testing.T) {
	priced := table.Facts{Name: "priced", Columns: []table.Column{{Name: "price", Type: table.Decimal, From: []string{"p"}}}}
	name, dsn := tables(t, priced)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	rows := table.NewReader(priced).Batch(0)
	piece := &stretch.Stretch{Topic: "t", From: 0, To: 500, Oldest: true}
	batch := &sink.Batch{Stretch: piece, Facts: priced}
	var want []string
	for offset := range piece.To {
		text := strings.TrimLeft(digits(random, 1+random.IntN(29)), "0") + "." + digits(random, 1+random.IntN(9))
		if text[0] == '.' {
			text = "0" + text
		}
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		row, err := rows.Row(record(offset, `{"p": `+text+`}`))
		if err != nil {
			t.Fatal(text, err)
		}
		batch.Rows = append(batch.Rows, row)
		want = append(want, text)
	}
	if _, err := sink.Apply(context.Background(), sinkOf(t, name), batch, false); err != nil {
		t.Fatal(err)
	}
	wrong := testdb.Text(t, dsn, `SELECT string_agg(price || ' ' || text, ', ') FROM priced JOIN unnest('{`+strings.Join(want, ",")+`}'::numeric[]) WITH ORDINALITY AS w (text, n)
		ON n = off + 1 WHERE price <> text`)
	if wrong != "NULL" || testdb.Text(t, dsn, "SELECT count(*) FROM priced") != "500" {
		t.Error(wrong)
	}
}

func digits(random *rand.Rand, count int) string {
	text := make([]byte, count)
	for i := range text {
		text[i] = byte('0' + random.IntN(10))
	}
	return string(text)
}

// The other writer passed a stretch that has no rows any more (compaction), so that no primary key would tell.
func TestAWriterWaitsForAnotherAndNeverTakesTheOffsetBack(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
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
	name, dsn := tables(t)
	done := make(chan error, 2)
	for writer := range 2 {
		o, stopped := connected(t, name, nil)
		go func() {
			random := rand.New(rand.NewPCG(seed, uint64(writer)))
			for at := int64(0); at < records; {
				to := min(records, at+1+random.Int64N(20))
				if err := o.WriteBatch(context.Background(), batch(at, to, at == 0, sinktest.Numbers(at, to)...)); err != nil {
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
