// Package sinktest holds every engine to what package sink promises.
package sinktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Database is an empty one, with sinks on it.
type Database struct {
	// Open makes another sink on the database; the test closes it.
	Open func() sink.Sink
	// CreateTables for Facts.
	CreateTables []string
	// Offsets are those of the rows of partition 0, ascending, each as often as it is there for a reader.
	Offsets func() []int64
	// Empty takes all rows and the mesh's tables away.
	Empty func()
}

// Run runs all tests, each with a database of its own.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	for name, test := range map[string]func(*bench){
		"prepares twice and keeps shards":                     testShards,
		"stores rows and their offset":                        testStores,
		"skips what is there and trims what overlaps":         testOverlap,
		"passes gaps of Kafka":                                testGaps,
		"refuses a hole":                                      testHole,
		"takes only the beginning without an offset":          testBeginning,
		"notices an emptied database":                         testEmptied,
		"keeps rows that are there already":                   testReplayed,
		"sets aside what can have no row":                     testRejected,
		"fences two writers":                                  testFence,
		"neither loses nor doubles in random order":           testRandom,
		"leaves no trace of a transaction that is taken back": testRollback,
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{T: t, database: fresh(t)}
			b.sink = b.open()
			b.prepare()
			test(b)
		})
	}
}

type bench struct {
	*testing.T
	database Database
	sink     sink.Sink
}

func (b *bench) open() sink.Sink {
	s := b.database.Open()
	b.Cleanup(s.Close)
	return s
}

func (b *bench) prepare() {
	b.Helper()
	if err := b.sink.Prepare(b.Context(), b.database.CreateTables, []table.Facts{Facts}); err != nil {
		b.Fatal(err)
	}
}

func batchOf(from, to int64, oldest bool, offsets ...int64) *sink.Batch {
	batch := Batch(Facts, from, to, offsets, Value)
	batch.Stretch.Oldest = oldest
	return batch
}

// apply tries again what passes, as ingest does.
func (b *bench) apply(s sink.Sink, batch *sink.Batch, careful bool) error {
	for {
		_, err := sink.Apply(b.Context(), s, batch, careful)
		if err == nil || sink.ClassOf(s, err) != sink.Transient || b.Context().Err() != nil {
			return err
		}
		var poisoned *sink.Poisoned
		if errors.As(err, &poisoned) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func (b *bench) write(batch *sink.Batch) {
	b.Helper()
	if err := b.apply(b.sink, batch, false); err != nil {
		b.Fatal(err)
	}
}

// want compares rows and next offset; next -1 means that there is none.
func (b *bench) want(next int64, offsets ...int64) {
	b.Helper()
	if got := b.database.Offsets(); !slices.Equal(got, offsets) {
		b.Errorf("rows %v, not %v", got, offsets)
	}
	found, err := b.sink.ReadOffsets(b.Context())
	got, known := found[sink.Partition{Topic: "t"}]
	if !known {
		got = -1
	}
	if err != nil || got != next {
		b.Errorf("next offset %d, not %d (%v)", got, next, err)
	}
}

func (b *bench) wantChanged(batch *sink.Batch, text string) {
	b.Helper()
	var changed *sink.Changed
	if err := b.apply(b.sink, batch, false); !errors.As(err, &changed) || !strings.Contains(err.Error(), text) {
		b.Errorf("%v, and not that the database changed: %s", err, text)
	}
}

func testShards(b *bench) {
	b.prepare()
	for _, shards := range [][]int{{3, 1}, {1, 2}, nil} {
		if err := b.sink.MarkShards(b.Context(), shards, "kafka"); err != nil {
			b.Fatal(err)
		}
	}
	held, err := b.sink.HeldShards(b.Context())
	if slices.Sort(held); err != nil || !slices.Equal(held, []int{1, 2, 3}) {
		b.Error(held, err)
	}
	b.want(-1)
}

func testStores(b *bench) {
	b.write(batchOf(0, 3, true, 0, 1, 2))
	b.want(3, 0, 1, 2)
}

func testOverlap(b *bench) {
	b.write(batchOf(0, 3, true, 0, 1, 2))
	b.write(batchOf(0, 3, true, 0, 1, 2))
	b.write(batchOf(1, 5, false, 1, 2, 3, 4))
	b.write(batchOf(0, 2, false, 0, 1))
	b.want(5, 0, 1, 2, 3, 4)
}

func testGaps(b *bench) {
	b.write(batchOf(0, 3, true, 0, 2))
	b.write(batchOf(3, 90, false, 7, 80))
	b.write(batchOf(90, 92, false))
	b.want(92, 0, 2, 7, 80)
}

func testHole(b *bench) {
	b.write(batchOf(0, 3, true, 0, 1, 2))
	b.wantChanged(batchOf(4, 6, false, 4, 5), "t/0 offsets [4, 6): the database goes on at offset 3")
	b.want(3, 0, 1, 2)
}

func testBeginning(b *bench) {
	b.wantChanged(batchOf(5, 7, false, 5, 6), "no offset for this partition any more")
	b.want(-1)
	// Kafka's oldest record need not be record 0.
	b.write(batchOf(5, 7, true, 5, 6))
	b.want(7, 5, 6)
}

func testEmptied(b *bench) {
	b.write(batchOf(0, 3, true, 0, 1, 2))
	b.database.Empty()
	err := b.apply(b.sink, batchOf(3, 4, false, 3), false)
	if err == nil || sink.ClassOf(b.sink, err) != sink.Gone {
		b.Error(err)
	}
	b.prepare()
	b.want(-1)
	b.write(batchOf(0, 2, true, 0, 1))
	b.want(2, 0, 1)
}

func testReplayed(b *bench) {
	b.write(batchOf(0, 3, true, 0, 1, 2))
	if err := b.apply(b.sink, batchOf(3, 6, false, 3, 4, 5), true); err != nil {
		b.Fatal(err)
	}
	b.want(6, 0, 1, 2, 3, 4, 5)
}

func testRejected(b *bench) {
	batch := batchOf(0, 4, true, 0, 2, 3)
	batch.Rejected = []sink.Rejection{{Record: &kgo.Record{Topic: "t", Offset: 1}, Reason: errors.New("no good")}}
	var poisoned *sink.Poisoned
	if err := b.apply(b.sink, batch, false); !errors.As(err, &poisoned) || !strings.Contains(err.Error(), "t/0 offset 1 can never be stored: no good") {
		b.Error(err)
	}
	b.want(-1)
	var aside []int64
	batch.SetAside = func(_ context.Context, bad sink.Rejection) error {
		aside = append(aside, bad.Record.Offset)
		return nil
	}
	b.write(batch)
	b.write(batch)
	if !slices.Equal(aside, []int64{1}) {
		b.Error(aside)
	}
	b.want(4, 0, 2, 3)
}

// Two writers deliver the same log in their own stretches, with replays, at the same time.
func testFence(b *bench) {
	const records = 200
	seed := uint64(time.Now().UnixNano())
	b.Logf("seed %d", seed)
	done := make(chan error, 2)
	for writer := range cap(done) {
		s := b.open()
		go func() {
			random := rand.New(rand.NewPCG(seed, uint64(writer)))
			for at, to := int64(0), int64(0); to < records; at = max(0, to-random.Int64N(8)) {
				to = min(records, at+1+random.Int64N(20))
				if err := b.apply(s, batchOf(at, to, at == 0, Numbers(at, to)...), random.IntN(4) == 0); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.want(records, Numbers(0, records)...)
}

func testRandom(b *bench) {
	seed := uint64(time.Now().UnixNano())
	b.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var log []int64
	for offset := int64(0); len(log) < 400; offset += 1 + int64(random.IntN(3)/2) {
		log = append(log, offset)
	}
	end := log[len(log)-1] + 1
	for at, to := int64(0), int64(0); to < end; {
		to = min(end, at+1+random.Int64N(40))
		first, _ := slices.BinarySearch(log, at)
		last, _ := slices.BinarySearch(log, to)
		if err := b.apply(b.sink, batchOf(at, to, at == 0, log[first:last]...), random.IntN(3) == 0); err != nil {
			b.Fatal(err)
		}
		if at = to; random.IntN(4) == 0 {
			at = max(0, to-random.Int64N(60))
		}
	}
	b.want(end, log...)
}

func testRollback(b *bench) {
	b.write(batchOf(0, 2, true, 0, 1))
	ctx, cancel := context.WithCancel(b.Context())
	batch := batchOf(2, 4, false, 2, 3)
	batch.Rejected = []sink.Rejection{{Record: &kgo.Record{Topic: "t", Offset: 3}, Reason: errors.New("no good")}}
	batch.Rows = batch.Rows[:1]
	batch.SetAside = func(ctx context.Context, _ sink.Rejection) error {
		cancel()
		return ctx.Err()
	}
	if _, err := sink.Apply(ctx, b.sink, batch, false); err == nil {
		b.Error("written")
	}
	batch.SetAside = func(context.Context, sink.Rejection) error { return nil }
	b.write(batch)
	b.want(4, 0, 1, 2)
}
