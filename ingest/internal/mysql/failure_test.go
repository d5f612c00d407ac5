package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKillsOfServerAndIngestLoseAndDoubleNothing(t *testing.T) {
	_, name := prepared(t)
	server.Kills(t, sinktest.Facts, func() sink.Sink { return connect(t, name) }, func() []int64 { return offsets(t, name) })
}

func TestEveryTypeIsStoredAsItIs(t *testing.T) {
	s, name := prepared(t)
	record := &kgo.Record{Topic: "t", Key: []byte(`it's "k" \ 😀`), Timestamp: time.UnixMilli(1_700_000_000_123), Value: []byte(`{"text": "O'Neill \\ \n \"😀\" ` + "`--`" + `",
		"int32": -2147483648, "int64": 9223372036854775807, "float64": 1.7976931348623157e308, "decimal": -12345678901234567890123456789.123456789,
		"boolean": true, "timestamp": "2026-11-21T06:00:00.123456Z", "json": {"a": ["'", "\\"]}}`)}
	empty := &kgo.Record{Topic: "t", Offset: 1, Timestamp: time.UnixMilli(0), Value: []byte(`{}`)}
	batch := sinktest.Batch(sinktest.Typed, 0, 2, nil, nil)
	reader := table.NewReader(sinktest.Typed).Batch(2)
	for _, one := range []*kgo.Record{record, empty} {
		row, err := reader.Row(one)
		if err != nil {
			t.Fatal(err)
		}
		batch.Rows = append(batch.Rows, row)
	}
	sinktest.MustWrite(t, s, batch)
	for query, want := range map[string]string{
		"SELECT `key` FROM typed WHERE off = 0":                                       `it's "k" \ 😀`,
		"SELECT ts FROM typed WHERE off = 0":                                          "2023-11-14 22:13:20.123000",
		"SELECT a_text FROM typed WHERE off = 0":                                      "O'Neill \\ \n \"😀\" `--`",
		"SELECT concat_ws(' ', a_int32, a_int64, a_decimal) FROM typed WHERE off = 0": "-2147483648 9223372036854775807 -12345678901234567890123456789.123456789",
		"SELECT a_float64 = 1.7976931348623157e308 FROM typed WHERE off = 0":          "1",
		"SELECT concat_ws(' ', a_boolean, a_timestamp) FROM typed WHERE off = 0":      "1 2026-11-21 06:00:00.123456",
		"SELECT a_json FROM typed WHERE off = 0":                                      `{"a": ["'", "\\"]}`,
		"SELECT doc FROM typed WHERE off = 0":                                         string(record.Value),
		"SELECT coalesce(`key`, a_text, a_int32, a_int64, a_float64, a_decimal, a_boolean, a_timestamp, a_json) FROM typed WHERE off = 1": "NULL",
		"SELECT ts FROM typed WHERE off = 1": "1970-01-01 00:00:00.000000",
	} {
		if got := text(t, name, query); got != want {
			t.Errorf("%s: %q, not %q", query, got, want)
		}
	}
}

// aside collects what is set aside.
type aside struct{ list []string }

func (a *aside) set(_ context.Context, bad sink.Rejection) error {
	a.list = append(a.list, fmt.Sprint(bad.Record.Offset, " ", bad.Reason))
	return nil
}

func TestARejectedRowIsSetAsideAndItsNeighboursAreStored(t *testing.T) {
	s, name := prepared(t)
	execute(t, name, "ALTER TABLE events ADD CONSTRAINT small CHECK (n <> 13)")
	batch := sinktest.Full(0, 40)
	batch.Rows[20].Record.Timestamp = time.UnixMilli(1_700_000_000_123_000_000)
	// Valid JSON, but deeper than the 32 levels that MariaDB's check of JSON allows.
	deep := []byte(strings.Repeat("[", 40) + strings.Repeat("]", 40))
	batch.Rows[30].Doc, batch.Rows[30].Record.Value = deep, deep
	var out aside
	batch.SetAside = out.set
	sinktest.MustWrite(t, s, batch)
	if len(out.list) != 2 || !strings.HasPrefix(out.list[0], "13 ") || !strings.Contains(out.list[0], "small") || !strings.HasPrefix(out.list[1], "20 ") {
		t.Error(out.list)
	}
	if got := text(t, name, "SELECT concat(count(*), ' ', sum(off)) FROM events"); got != "38 747" {
		t.Error(got)
	}
	if got := text(t, name, "SELECT doc FROM events WHERE off = 30"); !strings.HasPrefix(got, `{"base64"`) {
		t.Error(got)
	}
	if got := text(t, name, "SELECT next_offset FROM mesh_offsets"); got != "40" {
		t.Error(got)
	}
}

func TestARejectedRowWithoutAPlaceForItStopsAndStoresNothing(t *testing.T) {
	s, name := prepared(t)
	execute(t, name, "ALTER TABLE events ADD CONSTRAINT small CHECK (n <> 3)")
	batch := sinktest.Full(0, 5)
	var poisoned *sink.Poisoned
	if err := sinktest.Write(t.Context(), s, batch); !errors.As(err, &poisoned) || !strings.Contains(err.Error(), "t/0 offset 3 can never be stored") {
		t.Error(err)
	}
	if got := offsets(t, name); len(got) > 0 {
		t.Error(got)
	}
}

// Nothing is cut off or rounded in silence, whatever the server's own sql_mode is.
func TestARowLargerThanAStatementMayBeIsSetAside(t *testing.T) {
	s, name := prepared(t)
	batch := sinktest.Batch(sinktest.Facts, 0, 3, sinktest.Numbers(0, 3), func(offset int64) []byte {
		size := 10
		if offset == 1 {
			size = 65 << 20
		}
		return fmt.Appendf(nil, `{"n": %d, "text": "%s"}`, offset, strings.Repeat("x", size))
	})
	var out aside
	batch.SetAside = out.set
	sinktest.MustWrite(t, s, batch)
	if len(out.list) != 1 || !strings.HasPrefix(out.list[0], "1 ") {
		t.Error(out.list)
	}
	if got := offsets(t, name); fmt.Sprint(got) != "[0 2]" {
		t.Error(got)
	}
}

func TestRowsThatSomebodyPutThereByHandAreLeftAlone(t *testing.T) {
	s, name := prepared(t)
	execute(t, name, "INSERT INTO events (part, off, ts, n) VALUES (0, 2, now(6), 2)")
	batch := sinktest.Full(0, 5)
	sinktest.MustWrite(t, s, batch)
	if got := fmt.Sprint(offsets(t, name)); got != "[0 1 2 3 4]" {
		t.Error(got)
	}
	if got := text(t, name, "SELECT `key` FROM events WHERE off = 2"); got != "NULL" {
		t.Error(got)
	}
}

func TestTablesThatDoNotFitAreNamedBeforeAnythingIsMade(t *testing.T) {
	name := fresh(t)
	execute(t, name, "CREATE TABLE events (part bigint, off bigint, ts datetime(6), n bigint, doc json, more int NOT NULL, PRIMARY KEY (off, part))")
	err := connect(t, name).Prepare(t.Context(), createTables(), []table.Facts{sinktest.Facts})
	sinktest.WantMisfit(t, err, `table "events"`, `column "part": bigint found, int expected`, `column "key": not found, longtext expected`,
		"primary key: [off part] found, [part off] expected", `column "more": int NOT NULL without a default found`)
	if got := text(t, name, "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()"); got != "1" {
		t.Error(got)
	}
}

func TestErrorsSayWhoMustAct(t *testing.T) {
	_, name := prepared(t)
	execute(t, "", "CREATE USER 'nobody'@'127.0.0.1' IDENTIFIED BY 'x'")
	defer execute(t, "", "DROP USER 'nobody'@'127.0.0.1'")
	classOf := func(change func(*sink.Settings)) sink.Class {
		changed := settings(name)
		change(&changed)
		s, err := open(changed)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.ReadOffsets(t.Context())
		if err == nil {
			t.Fatal("no error")
		}
		return s.Classify(err)
	}
	for what, want := range map[string]struct {
		change func(*sink.Settings)
		class  sink.Class
	}{
		"a wrong password": {func(s *sink.Settings) { s.User, s.Password = "nobody", "y" }, sink.Credentials},
		"no rights":        {func(s *sink.Settings) { s.User, s.Password = "nobody", "x" }, sink.Credentials},
		"no database":      {func(s *sink.Settings) { s.Database = "none" }, sink.Setup},
		"no TLS":           {func(s *sink.Settings) { s.TLS = true }, sink.Setup},
		"no server":        {func(s *sink.Settings) { s.Port = 1 }, sink.Transient},
	} {
		if got := classOf(want.change); got != want.class {
			t.Errorf("%s: class %d, not %d", what, got, want.class)
		}
	}
}
