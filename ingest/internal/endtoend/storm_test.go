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
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// failingCommits is a trigger that lets every seventh transaction that moves an offset fail when it commits.
const failingCommits = `CREATE SEQUENCE attempts; CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF nextval('attempts') % 7 = 0 THEN RAISE EXCEPTION 'injected'; END IF; RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER fail_at_commit AFTER UPDATE ON mesh_offsets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_at_commit();`

// storm is a log that grows while commits fail, connections are cut and the database crashes.
type storm struct {
	rounds                 int
	random                 *rand.Rand
	database, dsn, brokers string
	cluster                *kfake.Cluster
	// port is the one of the database behind which connections are cut.
	port int
	// calm ends the cuts and the growth, and returns how many records were sent.
	calm func() int
}

// startStorm starts all but the crashes. Batches have at most so many records. INGEST_SEED repeats a run, INGEST_ROUNDS changes the number of rounds.
func startStorm(t *testing.T, partitions int32, rounds int64, most int) *storm {
	t.Helper()
	seed, rounds := setting("INGEST_SEED", time.Now().UnixNano()), setting("INGEST_ROUNDS", rounds)
	t.Logf("INGEST_SEED=%d INGEST_ROUNDS=%d", seed, rounds)
	s := &storm{rounds: int(rounds), random: rand.New(rand.NewPCG(uint64(seed), 0))}
	s.database, s.dsn = server.Empty(t)
	testdb.Exec(t, s.dsn, strings.Join(testdb.Schema(events), ";")+";"+failingCommits)
	s.cluster, s.brokers = broker(t, partitions)
	stopProducing, produced := make(chan struct{}), make(chan int, 1)
	go keepProducing(t, s.brokers, partitions, most, rand.New(rand.NewPCG(uint64(seed), 1)), stopProducing, produced)
	proxy := newCutter(t, server.Port, rand.New(rand.NewPCG(uint64(seed), 2)))
	s.port = proxy.port()
	s.calm = func() int {
		close(stopProducing)
		total := <-produced
		close(proxy.calm)
		return total
	}
	return s
}

// written changes whenever an offset moves.
func (s *storm) written(t *testing.T) string {
	t.Helper()
	return testdb.Text(t, s.dsn, "SELECT coalesce(sum(next_offset), 0) FROM mesh_offsets")
}

// pause waits for between so many milliseconds.
func (s *storm) pause(least, most int) {
	time.Sleep(time.Duration(least+s.random.IntN(most-least)) * time.Millisecond)
}

// strike lets the database crash in every third round, and sees that the program lives on.
func (s *storm) strike(t *testing.T, round int, p *process) {
	t.Helper()
	if round%3 == 2 {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		s.pause(0, 300)
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		s.pause(0, 500)
	}
	select {
	case <-p.ended:
		t.Fatalf("round %d: the program ended by itself\n%s", round, p.log)
	default:
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
