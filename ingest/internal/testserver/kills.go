package testserver

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/table"
)

// Kills writes a log in stretches while the server is killed with kill -9 at random moments and started again, and new sinks take over from old ones in
// the middle of their work, as after kill -9 of ingest. Then every row below the next offset is there once and none above it, and unless the server
// lags, everything that was acknowledged is below it. The seed is printed; INGEST_SEED and INGEST_ROUNDS set it and the number of kills.
func (s *Server) Kills(t *testing.T, facts table.Facts, open func() sink.Sink, offsets func() []int64) {
	t.Helper()
	seed, rounds := uint64(number("INGEST_SEED", time.Now().UnixNano())), int(number("INGEST_ROUNDS", 6))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var written atomic.Int64
	var log []int64
	for round := range rounds {
		ctx, stop := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		writer := open()
		pieces := rand.New(rand.NewPCG(seed, uint64(round+1)))
		go func() { failed <- writeOn(ctx, writer, facts, pieces, &written) }()
		time.Sleep(time.Duration(20+random.IntN(250)) * time.Millisecond)
		switch random.IntN(3) {
		case 0:
			// A new process takes over while the old one's last statement may still be under way.
			stop()
		case 1:
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			stop()
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		default:
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			stop()
		}
		if err := <-failed; err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		stop()
		writer.Close()
	}
	last := open()
	defer last.Close()
	next := nextOffset(t, last, facts)
	if acknowledged := written.Load(); next < acknowledged {
		report := t.Errorf
		if s.Lags {
			report = t.Logf
		}
		report("acknowledged up to %d, stored up to %d", acknowledged, next)
	}
	for offset := int64(0); offset < next; offset++ {
		if hasRecord(offset) {
			log = append(log, offset)
		}
	}
	if got := offsets(); !slices.Equal(got, log) {
		t.Errorf("%d rows up to %d, not %d", len(got), next, len(log))
	}
	t.Logf("%d rows, next offset %d", len(log), next)
}

// hasRecord says which offsets have records: every seventh is a gap of Kafka.
func hasRecord(offset int64) bool { return offset%7 != 3 }

// writeOn writes stretch after stretch from where the database is, until the context ends.
func writeOn(ctx context.Context, s sink.Sink, facts table.Facts, random *rand.Rand, written *atomic.Int64) error {
	at := int64(-1)
	for at < 0 && ctx.Err() == nil {
		found, err := s.ReadOffsets(ctx)
		if err == nil {
			at = found[sink.Partition{Topic: "t"}]
		}
	}
	for ctx.Err() == nil {
		to := at + 1 + random.Int64N(200)
		records := slices.DeleteFunc(sinktest.Numbers(at, to), func(offset int64) bool { return !hasRecord(offset) })
		if err := sinktest.Write(ctx, s, sinktest.Batch(facts, at, to, records, sinktest.Value)); err != nil {
			return err
		}
		written.Store(max(written.Load(), to))
		at = to
	}
	return ctx.Err()
}

// nextOffset asks as a writer does, and then as others do: both must say the same.
func nextOffset(t *testing.T, s sink.Sink, facts table.Facts) int64 {
	t.Helper()
	partition := sink.Partition{Topic: "t"}
	tx, err := s.Begin(t.Context(), partition, facts)
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := tx.Next(t.Context())
	tx.Rollback()
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.ReadOffsets(t.Context())
	if err != nil || found[partition] != next {
		t.Errorf("a writer goes on at %d, others are told %d (%v)", next, found[partition], err)
	}
	return next
}

func number(name string, otherwise int64) int64 {
	if given, err := strconv.ParseInt(os.Getenv(name), 10, 64); err == nil {
		return given
	}
	return otherwise
}
