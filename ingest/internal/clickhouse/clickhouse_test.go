package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

func ctx(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

func TestKeepsWhatSinksPromise(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Database {
		name := fresh(t)
		return sinktest.Database{
			Open:         func() sink.Sink { return connect(t, name) },
			CreateTables: createTables(),
			Offsets:      func() []int64 { return offsets(t, name) },
			Empty: func() {
				for _, table := range []string{"events", "typed", "mesh_offsets", "mesh_shards", "mesh_cuts"} {
					execute(t, name, "DROP TABLE "+table+" SYNC")
				}
			},
		}
	})
}

func TestKillsOfServerAndIngestLoseAndDoubleNothing(t *testing.T) {
	_, name := prepared(t)
	server.Kills(t, sinktest.Facts, func() sink.Sink { return connect(t, name) }, func() []int64 { return offsets(t, name) })
	if got := text(t, name, "SELECT count() - uniqExact(off) FROM events"); got != "0" {
		t.Logf("%s rows were there twice without FINAL", got)
	}
}

func TestEveryTypeIsStoredAsItIs(t *testing.T) {
	s, name := prepared(t)
	record := &kgo.Record{Topic: "t", Key: []byte(`it's "k"`), Timestamp: time.UnixMilli(1_700_000_000_123), Value: []byte(`{"text": "O'Neill 😀", "int32": -2147483648,
		"int64": 9223372036854775807, "float64": 0.1, "decimal": -12345678901234567890123456789.123456789, "boolean": true,
		"timestamp": "2026-11-21T06:00:00.123456Z", "json": {"a": [1]}}`)}
	batch := sinktest.Batch(sinktest.Typed, 0, 2, nil, nil)
	for _, one := range []*kgo.Record{record, {Topic: "t", Offset: 1, Timestamp: time.UnixMilli(0), Value: []byte(`{"decimal": 0.5}`)}} {
		row, err := table.NewReader(sinktest.Typed).Batch(1).Row(one)
		if err != nil {
			t.Fatal(err)
		}
		batch.Rows = append(batch.Rows, row)
	}
	sinktest.MustWrite(t, s, batch)
	for query, want := range map[string]string{
		`SELECT part, off, ts, "key" FROM typed WHERE off = 0`: `0 0 2023-11-14 22:13:20.123000 it's "k"`,
		"SELECT a_text, a_int32, a_int64, a_float64, a_decimal, a_boolean, a_timestamp, a_json FROM typed WHERE off = 0": "O'Neill 😀 -2147483648 9223372036854775807 0.1 " +
			`-12345678901234567890123456789.123456789 true 2026-11-21 06:00:00.123456 {"a": [1]}`,
		`SELECT JSONExtractInt(doc, 'int32') FROM typed WHERE off = 0`:                                                              "-2147483648",
		`SELECT ts, "key", a_text, a_int32, a_int64, a_float64, a_boolean, a_timestamp, a_json, a_decimal FROM typed WHERE off = 1`: `1970-01-01 00:00:00.000000 \N \N \N \N \N \N \N \N 0.5`,
	} {
		if got := text(t, name, query); got != want {
			t.Errorf("%s: %q, not %q", query, got, want)
		}
	}
}

func TestARejectedRowIsSetAsideBeforeAnyRowBehindItIsThere(t *testing.T) {
	s, name := prepared(t)
	execute(t, name, "ALTER TABLE events ADD CONSTRAINT small CHECK n != 13")
	batch := sinktest.Full(0, 40)
	batch.Rows[20].Record.Timestamp = time.UnixMilli(1_700_000_000_123_000_000)
	var aside []string
	batch.SetAside = func(_ context.Context, bad sink.Rejection) error {
		if got := offsets(t, name); len(got) > 0 {
			t.Error("rows are there already:", got)
		}
		aside = append(aside, fmt.Sprint(bad.Record.Offset, " ", bad.Reason))
		return nil
	}
	sinktest.MustWrite(t, s, batch)
	if len(aside) != 2 || !strings.HasPrefix(aside[0], "13 ") || !strings.Contains(aside[0], "small") || !strings.HasPrefix(aside[1], "20 ") {
		t.Error(aside)
	}
	if got := text(t, name, "SELECT count(), sum(off) FROM events"); got != "38 747" {
		t.Error(got)
	}
	if got := text(t, name, "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'mesh_trial%'"); got != "" {
		t.Error("left behind:", got)
	}
}

func TestASuccessorTakesAwayWhatACrashLeftBehind(t *testing.T) {
	s, name := prepared(t)
	execute(t, name, "CREATE TABLE mesh_trial_0123_events_0 AS events ENGINE = Null")
	if err := s.Prepare(t.Context(), createTables(), []table.Facts{sinktest.Facts, sinktest.Typed}); err != nil {
		t.Fatal(err)
	}
	if got := text(t, name, "SELECT count() FROM system.tables WHERE database = currentDatabase()"); got != "5" {
		t.Error(got)
	}
}

// What an insert whose answer was lost looks like: the rows are there, the offset is not.
func TestRowsWithoutTheirOffsetAreNotWrittenAgain(t *testing.T) {
	s, name := prepared(t)
	sinktest.MustWrite(t, s, sinktest.Full(0, 5))
	execute(t, name, "TRUNCATE TABLE mesh_offsets", "INSERT INTO mesh_offsets (topic, \"partition\", next_offset) VALUES ('t', 0, 2)")
	sinktest.MustWrite(t, connect(t, name), sinktest.Full(2, 8))
	if got := text(t, name, "SELECT count(), max(off) FROM events"); got != "8 7" {
		t.Error(got)
	}
	if got := text(t, name, "SELECT max(next_offset) FROM mesh_offsets"); got != "8" {
		t.Error(got)
	}
}

func TestTheSameInsertTwiceIsOne(t *testing.T) {
	s, name := prepared(t)
	for range 2 {
		tx := &transaction{client: s.client, partition: sink.Partition{Topic: "t"}, facts: sinktest.Facts, rows: sinktest.Full(0, 3).Rows}
		if err := tx.Advance(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
	}
	if got := text(t, name, "SELECT count() FROM events"); got != "3" {
		t.Error(got)
	}
}

// A shard that was given away and comes back is written again, although its inserts have been seen before.
func TestAShardThatCameBackIsWrittenAgain(t *testing.T) {
	s, name := prepared(t)
	for _, writer := range []*database{s, s, connect(t, name)} {
		sinktest.MustWrite(t, writer, sinktest.Full(0, 5))
		if got := fmt.Sprint(offsets(t, name)); got != "[0 1 2 3 4]" {
			t.Error(got)
		}
		execute(t, name, "OPTIMIZE TABLE events FINAL", "ALTER TABLE events DROP PARTITION 0", "DELETE FROM mesh_offsets WHERE topic = 't'")
	}
}

func TestALargeStretchIsOnePart(t *testing.T) {
	s, name := prepared(t)
	const rows = 60_000
	sinktest.MustWrite(t, s, sinktest.Full(0, rows))
	if got := text(t, name, "SELECT count(), sum(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"); got != "1 60000" {
		t.Error(got)
	}
}

func TestTablesThatDoNotFitAreNamedBeforeAnythingIsMade(t *testing.T) {
	name := fresh(t)
	execute(t, name, "CREATE TABLE events (part Int64, off Int64, ts DateTime64(6, 'UTC'), n Nullable(Int64), doc Nullable(String)) ENGINE = MergeTree ORDER BY off")
	err := connect(t, name).Prepare(t.Context(), createTables(), []table.Facts{sinktest.Facts})
	sinktest.WantMisfit(t, err, `column "part": Int64 found, Int32 expected`, `column "key": not found`, `column "n": Nullable(Int64) found, Int64 expected`,
		"ORDER BY: (off) found, (part, off) expected", "ENGINE: MergeTree found")
	if got := text(t, name, "SELECT count() FROM system.tables WHERE database = currentDatabase()"); got != "1" {
		t.Error(got)
	}
}

func TestErrorsSayWhoMustAct(t *testing.T) {
	s, _ := prepared(t)
	for code, want := range map[int]sink.Class{60: sink.Gone, 81: sink.Setup, 516: sink.Credentials, 497: sink.Credentials, 469: sink.Poison, 241: sink.Transient, 252: sink.Transient} {
		if got := s.Classify(fmt.Errorf("outer: %w", &failure{code: code})); got != want {
			t.Errorf("%d: class %d, not %d", code, got, want)
		}
	}
	if _, err := connect(t, "none").ReadOffsets(t.Context()); s.Classify(err) != sink.Setup {
		t.Error(err)
	}
}
