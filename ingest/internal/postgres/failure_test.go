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

	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A trigger that is checked at the commit and fails there as often as the sequence says.
const failingCommits = `CREATE SEQUENCE attempts;
CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('attempts') % 3 <> 0 THEN RAISE EXCEPTION 'injected'; END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fail_at_commit AFTER UPDATE ON mesh_offsets DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION fail_at_commit();`

func TestCommitsThatFailAreTriedAgainInOrder(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, failingCommits)
	o, _ := connected(t, name, nil)
	for at := range int64(6) {
		write(t, o, batch(at, at+1, at == 0, at))
	}
	wantState(t, dsn, "0 1 2 3 4 5", "6")
}

func TestABatchWaitsForADatabaseThatIsAway(t *testing.T) {
	name, dsn := tables(t)
	o, _ := connected(t, name, nil)
	write(t, o, batch(0, 2, true, 0, 1))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- o.WriteBatch(context.Background(), batch(2, 4, false, 2, 3)) }()
	select {
	case err := <-written:
		t.Error("acknowledged without a database", err)
	case <-time.After(500 * time.Millisecond):
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	wantState(t, dsn, "0 1 2 3", "4")
}

func TestShutdownEndsTheWaitWithoutAnAcknowledgement(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, strings.ReplaceAll(failingCommits, "% 3 <> 0", "% 3 < 3"))
	o, stopped := connected(t, name, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := o.WriteBatch(ctx, batch(0, 1, true, 0)); !errors.Is(err, context.DeadlineExceeded) || len(stopped.list) > 0 {
		t.Fatal(err, stopped.list)
	}
	wantState(t, dsn, "", "NULL")
}

// The log is delivered in random stretches with replays, while commits fail and connections are cut: no row is lost or doubled, and nothing counts
// as written before it is.
func TestNothingIsLostOrDoubledWhateverFails(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	name, dsn := tables(t)
	testdb.Exec(t, dsn, failingCommits)
	o, stopped := connected(t, name, nil)
	cutting, stopCutting := context.WithCancel(context.Background())
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for cutting.Err() == nil {
			testdb.Exec(t, server.DSN("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mesh-ingest' AND datname = '"+name+"'")
			time.Sleep(time.Duration(30+cutIndex.IntN(200)) * time.Millisecond)
		}
	}()
	var log []int64
	for offset := int64(0); len(log) < 3000; offset += 1 + int64(random.IntN(3)/2) {
		log = append(log, offset)
	}
	end := log[len(log)-1] + 1
	for at := int64(0); at < end; {
		to := min(end, at+1+random.Int64N(100))
		first, _ := slices.BinarySearch(log, at)
		last, _ := slices.BinarySearch(log, to)
		write(t, o, batch(at, to, at == 0, log[first:last]...))
		if next := testdb.Text(t, dsn, "SELECT next_offset FROM mesh_offsets"); next < "0" || atoi(next) < to {
			t.Fatalf("acknowledged up to %d, stored up to %s", to, next)
		}
		if at = to; random.IntN(4) == 0 {
			at = max(0, to-random.Int64N(150))
		}
		if to == end {
			break
		}
	}
	stopCutting()
	<-cut
	if len(stopped.list) > 0 {
		t.Fatal(stopped.list)
	}
	var want []string
	for _, offset := range log {
		want = append(want, fmt.Sprint(offset))
	}
	wantState(t, dsn, strings.Join(want, " "), fmt.Sprint(end))
}

// cutIndex is only for the pauses between cuts.
var cutIndex = rand.New(rand.NewPCG(1, 2))

func atoi(text string) int64 {
	var number int64
	_, _ = fmt.Sscan(text, &number)
	return number
}

func TestARejectedRowIsSetAsideAndItsNeighboursAreStored(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, `ALTER TABLE events ADD CONSTRAINT small CHECK ((doc->>'n')::numeric <> 13)`)
	var aside []string
	o, stopped := connected(t, name, func(_ context.Context, r *kgo.Record, reason string) error {
		aside = append(aside, fmt.Sprint("dead ", r.Offset, " ", reason))
		return nil
	})
	piece := &stretch.Stretch{Topic: "t", From: 0, To: 40, Oldest: true}
	var records []*kgo.Record
	for _, offset := range sinktest.Numbers(0, 40) {
		records = append(records, record(offset, fmt.Sprintf(`{"n": %d}`, offset)))
	}
	records[20].Timestamp = time.UnixMilli(1_700_000_000_123_000_000)
	records[30].Value = []byte(`1e400000`)
	write(t, o, batchOf(piece, records...))
	if len(aside) != 2 || !strings.HasPrefix(aside[0], "dead 13 ") || !strings.Contains(aside[0], "small") || !strings.HasPrefix(aside[1], "dead 20 ") {
		t.Fatal(aside)
	}
	if len(stopped.list) > 0 {
		t.Fatal(stopped.list)
	}
	if got := testdb.Text(t, dsn, "SELECT row(count(*), sum(off)) FROM events"); got != "(38,747)" {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT doc FROM events WHERE off = 30"); got != `{"base64": "MWU0MDAwMDA="}` {
		t.Error(got)
	}
	if got := testdb.Text(t, dsn, "SELECT next_offset FROM mesh_offsets"); got != "40" {
		t.Error(got)
	}
}

func TestARejectedRowWithoutADeadLetterTopicStopsTheProcessAndStoresNothing(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, `ALTER TABLE events ADD CONSTRAINT small CHECK ((doc->>'n')::int <> 3)`)
	o, stopped := connected(t, name, nil)
	if err := o.WriteBatch(context.Background(), batch(0, 5, true, sinktest.Numbers(0, 5)...)); err == nil {
		t.Fatal("written")
	}
	stopped.want(t, "t/0 offset 3 can never be stored")
	wantState(t, dsn, "", "NULL")
}

func TestADeadLetterThatCannotBeSetAsideHoldsTheBatchBack(t *testing.T) {
	name, dsn := tables(t)
	testdb.Exec(t, dsn, `ALTER TABLE events ADD CONSTRAINT small CHECK ((doc->>'n')::int <> 3)`)
	tries := 0
	o, _ := connected(t, name, func(context.Context, *kgo.Record, string) error {
		if tries++; tries < 3 {
			return errors.New("brokers are away")
		}
		return nil
	})
	piece := &stretch.Stretch{Topic: "t", From: 3, To: 4, Oldest: true}
	write(t, o, batchOf(piece, record(3, `{"n": 3}`)))
	if tries != 3 {
		t.Error(tries)
	}
	wantState(t, dsn, "", "4")
}
