package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/output"
	"compute-mesh.dev/ingest/internal/ready"
	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

var server *testdb.Server

func TestMain(m *testing.M) {
	os.Exit(testdb.Main(m, &server))
}

var facts = table.Facts{Name: "events", Document: true}

// tables makes an empty database with the mesh's tables, and returns its name and DSN.
func tables(t testing.TB, more ...table.Facts) (string, string) {
	t.Helper()
	name, dsn := server.Empty(t)
	testdb.Exec(t, dsn, strings.Join(testdb.Schema(append(more, facts)...), ";"))
	return name, dsn
}

func sinkOf(t testing.TB, name string) sink.Sink {
	t.Helper()
	return sinktest.Connect(t, open, sink.Settings{Host: "127.0.0.1", Port: server.Port, Database: name, User: "mesh", Password: "any", Timeout: 60 * time.Second, Writers: 2})
}

// connected is an output on a database, and the reasons for which it would have stopped ingest.
func connected(t testing.TB, name string, setAside func(context.Context, *kgo.Record, string) error) (*output.Output, *reasons) {
	t.Helper()
	stopped := &reasons{}
	return output.New(context.Background(), &output.Config{
		Sink: sinkOf(t, name), Tables: map[string]*table.Reader{"t": table.NewReader(facts)}, Timeout: 60 * time.Second, Pause: time.Millisecond,
		SetAside: setAside, Log: slog.New(slog.DiscardHandler), Metrics: ready.NewMetrics(ready.NewState(0)), Fail: stopped.add,
	}), stopped
}

type reasons struct {
	mutex sync.Mutex
	list  []string
}

func (r *reasons) add(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.list = append(r.list, err.Error())
}

func (r *reasons) want(t *testing.T, text string) {
	t.Helper()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.list) == 0 || !strings.Contains(r.list[len(r.list)-1], text) {
		t.Fatalf("stopped for %q, not for %q", r.list, text)
	}
}

// batch is a stretch of partition 0 with a record at each of the offsets.
func batch(from, to int64, oldest bool, offsets ...int64) service.MessageBatch {
	var records []*kgo.Record
	for _, offset := range offsets {
		records = append(records, record(offset, fmt.Sprintf(`{"n": %d}`, offset)))
	}
	return batchOf(&stretch.Stretch{Topic: "t", From: from, To: to, Oldest: oldest}, records...)
}

func record(offset int64, value string) *kgo.Record {
	return &kgo.Record{Topic: "t", Offset: offset, Key: []byte("k"), Value: []byte(value), Timestamp: time.UnixMilli(1_700_000_000_123)}
}

func batchOf(piece *stretch.Stretch, records ...*kgo.Record) service.MessageBatch {
	piece.Records = len(records)
	if len(records) == 0 {
		return service.MessageBatch{service.NewMessage(nil).WithContext(stretch.With(context.Background(), &stretch.Entry{Stretch: piece}))}
	}
	var messages service.MessageBatch
	for _, r := range records {
		messages = append(messages, service.NewMessage(r.Value).WithContext(stretch.With(context.Background(), &stretch.Entry{Stretch: piece, Record: r})))
	}
	return messages
}

func write(t testing.TB, o *output.Output, b service.MessageBatch) {
	t.Helper()
	if err := o.WriteBatch(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func wantState(t testing.TB, dsn, offsets, next string) {
	t.Helper()
	if got := testdb.Text(t, dsn, "SELECT coalesce(string_agg(off::text, ' ' ORDER BY off), '') FROM events"); got != offsets {
		t.Errorf("rows %q, not %q", got, offsets)
	}
	if got := testdb.Text(t, dsn, "SELECT max(next_offset) FROM mesh_offsets WHERE topic = 't' AND partition = 0"); got != next {
		t.Errorf("next offset %s, not %s", got, next)
	}
}
