package endtoend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
)

// failingCommits is a trigger that lets every seventh transaction that moves an offset fail when it commits.
const failingCommits = `CREATE SEQUENCE attempts; CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF nextval('attempts') % 7 = 0 THEN RAISE EXCEPTION 'injected'; END IF; RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER fail_at_commit AFTER UPDATE ON mesh_offsets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_at_commit();`

// While records and transactions (some aborted) come in, the program is killed with -9, its database crashes, commits fail and connections are cut,
// at random moments. Afterwards the table holds exactly what a reader of committed records sees. INGEST_SEED repeats a run, INGEST_ROUNDS makes it longer.
func TestKillsLoseNothingAndDoubleNothing(t *testing.T) {
	const partitions = 4
	seed, rounds := setting("INGEST_SEED", time.Now().UnixNano()), setting("INGEST_ROUNDS", 10)
	t.Logf("INGEST_SEED=%d INGEST_ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	database, dsn := server.Empty(t)
	testdb.Exec(t, dsn, strings.Join(testdb.Schema(events), ";")+";"+failingCommits)
	cluster, brokers := broker(t, partitions)
	stopProducing, produced := make(chan struct{}), make(chan int, 1)
	go keepProducing(t, brokers, partitions, 400, rand.New(rand.NewPCG(uint64(seed), 1)), stopProducing, produced)
	proxy := newCutter(t, server.Port, rand.New(rand.NewPCG(uint64(seed), 2)))
	through := podOf(brokers, database, partitions)
	through.port = proxy.port()
	commits := 0
	for round := range int(rounds) {
		p := through.start(t)
		before := testdb.Text(t, dsn, "SELECT coalesce(sum(next_offset), 0) FROM mesh_offsets")
		time.Sleep(time.Duration(150+random.IntN(900)) * time.Millisecond)
		if round%3 == 2 {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		}
		select {
		case <-p.ended:
			t.Fatalf("round %d: the program ended by itself\n%s", round, p.log)
		default:
		}
		p.kill()
		if testdb.Text(t, dsn, "SELECT coalesce(sum(next_offset), 0) FROM mesh_offsets") != before {
			commits++
		}
	}
	close(stopProducing)
	total := <-produced
	close(proxy.calm)
	p := podOf(brokers, database, partitions).start(t)
	p.waitUntil(t, "catching up", func() bool { return caughtUp(t, cluster, dsn) })
	rows := wantRows(t, cluster, brokers, dsn)
	t.Logf("%d records sent, %d committed, %d of %d rounds wrote before they were killed", total, rows, commits, rounds)
	if commits == 0 {
		t.Error("no round wrote anything: the kills proved nothing")
	}
}

func setting(name string, otherwise int64) int64 {
	if number, err := strconv.ParseInt(os.Getenv(name), 10, 64); err == nil {
		return number
	}
	return otherwise
}

// keepProducing sends batches of at most so many records, every third in a transaction, every second of those aborted.
func keepProducing(t *testing.T, brokers string, partitions int32, most int, random *rand.Rand, stop <-chan struct{}, produced chan<- int) {
	plain := client(t, brokers)
	transactional := client(t, brokers, kgo.TransactionalID("mover"))
	ctx, n := context.Background(), 0
	for i := 0; ; i++ {
		select {
		case <-stop:
			produced <- n
			return
		case <-time.After(2 * time.Millisecond):
		}
		var records []*kgo.Record
		for range 1 + random.IntN(most) {
			record := value(n)
			record.Partition = random.Int32N(partitions)
			records = append(records, record)
			n++
		}
		var err error
		if i%3 != 0 {
			err = plain.ProduceSync(ctx, records...).FirstErr()
		} else if err = transactional.BeginTransaction(); err == nil {
			err = transactional.ProduceSync(ctx, records...).FirstErr()
			if errEnd := transactional.EndTransaction(ctx, kgo.TransactionEndTry(i%2 == 0)); err == nil {
				err = errEnd
			}
		}
		if err != nil {
			t.Error(fmt.Errorf("producing: %w", err))
		}
	}
}
