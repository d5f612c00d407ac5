package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

var server *testdb.Server

func TestMain(m *testing.M) {
	os.Exit(testdb.Main(m, &server))
}

// connected is an output on a database, and the reasons for which it would have ended the process.
func connected(t testing.TB, dsn, more string) (*output, *reasons) {
	t.Helper()
	conf, err := spec().ParseYAML(fmt.Sprintf("dsn: %q\ntables: { t: events }\n%s", dsn, more), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOutput(conf, service.MockResources())
	if err != nil {
		t.Fatal(err)
	}
	stopped := &reasons{}
	o.fatal = stopped.add
	o.pause = time.Millisecond
	if err := o.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o, stopped
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

func span(from, to int64) []int64 {
	var offsets []int64
	for offset := from; offset < to; offset++ {
		offsets = append(offsets, offset)
	}
	return offsets
}

func write(t testing.TB, o *output, b service.MessageBatch) {
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
