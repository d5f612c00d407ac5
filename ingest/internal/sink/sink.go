// Package sink is what ingest needs of a database, and the rule by which stretches of Kafka's log are written into any of them exactly once.
//
// An engine only says how: one package beside this one, registered by its name. Everything else is shared.
package sink

import (
	"context"
	"fmt"
	"slices"
	"time"

	"compute-mesh.dev/ingest/internal/table"
)

// Partition of a topic.
type Partition struct {
	Topic string
	ID    int32
}

// String is `topic/partition`.
func (p Partition) String() string {
	return fmt.Sprintf("%s/%d", p.Topic, p.ID)
}

// Settings say where the database is and how it is used.
type Settings struct {
	Host     string
	Port     int
	Database string
	User     string
	Password string
	// TLS with the server's certificate checked; by the CA of CAFile, or by the system's where that is empty.
	TLS    bool
	CAFile string
	// Timeout of one transaction. An engine whose server can should also let it end transactions that idle longer: a connection whose other end
	// vanished would keep the row of offsets locked.
	Timeout time.Duration
	// Writers is how many transactions run at once, each of another partition. One more connection is used for everything else.
	Writers int
}

// Sink is one database. Its methods may be called at once by several goroutines; each connects as it needs to, so that a database that went away and
// came back needs no new Sink. Errors come back as the driver gives them (wrapped or not); Classify tells them apart.
type Sink interface {
	// Prepare makes the database ready: what is there must fit (else a *Misfit, before anything is created), then createTables is run, which may
	// meanwhile be run by others, too, then everything must be there.
	Prepare(ctx context.Context, createTables []string, tables []table.Facts) error
	// HeldShards are the shards in mesh_shards.
	HeldShards(ctx context.Context) ([]int, error)
	// MarkShards inserts those that are missing, with the source; rows that are there stay as they are.
	MarkShards(ctx context.Context, shards []int, source string) error
	// ReadOffsets reads the next offsets of all partitions that have one.
	ReadOffsets(ctx context.Context) (map[Partition]int64, error)
	// Begin starts writing one stretch of a partition.
	Begin(ctx context.Context, partition Partition, facts table.Facts) (Tx, error)
	// Classify says what an error of any method means.
	Classify(err error) Class
	// Close ends the connections.
	Close()
}

// Tx writes the rows of one stretch and the offset that follows them, both or neither: Next, perhaps First and Next again, perhaps Store, Advance,
// Commit. One goroutine uses it.
//
// Engines without transactions must make every step harmless when it is done twice, and keep the order: rows first, then the offset; their Store has
// to leave one row for each (part, off) however often it is written, and Advance has to fail where another writer moved the offset meanwhile.
type Tx interface {
	// Next locks the partition's next offset until the end and returns it; false where the database has none.
	Next(ctx context.Context) (int64, bool, error)
	// First makes the partition's next offset unless another writer did so meanwhile.
	First(ctx context.Context, next int64) error
	// Store writes rows at or above the next offset, all of them or (with an error) none, and returns the bytes sent. Fast; after an error the
	// transaction is only rolled back.
	Store(ctx context.Context, rows []table.Row) (int, error)
	// StoreCarefully does the same; rows whose (part, off) is there already stay as they are. After an error that Classify calls Poison or
	// DocumentLimit the transaction goes on as if it had not been called. Constraints are checked here, not at the commit.
	StoreCarefully(ctx context.Context, rows []table.Row) (int, error)
	// Advance sets the next offset and the time of the change.
	Advance(ctx context.Context, next int64) error
	// Commit makes everything lasting. An error leaves open whether it is: the stretch is tried again, and then Next tells.
	Commit(ctx context.Context) error
	// Rollback takes everything back, also when the context has ended; after Commit it only cleans up.
	Rollback()
}

// Open makes a sink without connecting. It refuses settings that can never work, such as a CA file that cannot be read.
type Open func(Settings) (Sink, error)

var engines = map[string]Open{}

// Register adds an engine under the name that `database.engine` has in the settings.
func Register(name string, open Open) {
	engines[name] = open
}

// Engine finds an engine by its name.
func Engine(name string) (Open, bool) {
	open, known := engines[name]
	return open, known
}

// Engines lists the names, sorted.
func Engines() []string {
	var names []string
	for name := range engines {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
