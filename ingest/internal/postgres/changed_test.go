package postgres

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/output"
	"compute-mesh.dev/ingest/internal/ready"
	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestATableThatSomebodyChangedIsAtFaultNotTheRows(t *testing.T) {
	typed := table.Facts{Name: "events", Columns: []table.Column{{Name: "n", Type: table.Int64, From: []string{"n"}, Required: true}}}
	for change, expected := range map[string]string{
		"RENAME COLUMN n TO m; ALTER TABLE events ADD COLUMN n text":                                `column "n": text found, bigint expected`,
		"ALTER COLUMN n TYPE text":                                                                  `column "n": text found, bigint expected`,
		"ADD COLUMN more int NOT NULL DEFAULT 0; ALTER TABLE events ALTER COLUMN more DROP DEFAULT": `column "more": integer NOT NULL without a default found`,
	} {
		name, dsn := server.Empty(t)
		testdb.Exec(t, dsn, strings.Join(testdb.Schema(typed), ";"))
		stopped := &reasons{}
		aside := 0
		o := output.New(t.Context(), &output.Config{
			Sink: sinkOf(t, name), Tables: map[string]*table.Reader{"t": table.NewReader(typed)}, Timeout: 60 * time.Second, Pause: time.Millisecond,
			SetAside: func(context.Context, *kgo.Record, string) error { aside++; return nil },
			Log:      slog.New(slog.DiscardHandler), Metrics: ready.NewMetrics(ready.NewState(0)), Fail: stopped.add,
		})
		write(t, o, batch(0, 2, true, 0, 1))
		testdb.Exec(t, dsn, "ALTER TABLE events "+change)
		if err := o.WriteBatch(t.Context(), batch(2, 4, false, 2, 3)); err == nil {
			t.Errorf("%s: written", change)
		}
		stopped.want(t, `table "events" does not fit the settings: `+expected)
		if aside != 0 {
			t.Errorf("%s: %d rows were set aside", change, aside)
		}
		wantState(t, dsn, "0 1", "2")
	}
}
