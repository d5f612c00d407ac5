package valkey

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testserver"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

var server *testserver.Server

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(m, &server, testserver.Valkey))
}

func settings() sink.Settings { return settingsOf(server) }

func settingsOf(server *testserver.Server) sink.Settings {
	return sink.Settings{Host: "127.0.0.1", Port: server.Port, Database: "0", Timeout: 10 * time.Second, Writers: 4}
}

func connect(t testing.TB) sink.Sink {
	t.Helper()
	return sinktest.Connect(t, open, settings())
}

// client is one of our own, on an empty server.
func client(t testing.TB) *redis.Client {
	t.Helper()
	server.Need(t)
	return clientOf(t, server)
}

func clientOf(t testing.TB, server *testserver.Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", server.Port), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = c.Close() })
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func offsets(t testing.TB, c *redis.Client) []int64 {
	t.Helper()
	entries, err := c.XRange(t.Context(), "mesh:{events:0}", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var found []int64
	for _, entry := range entries {
		offset, _ := strconv.ParseInt(strings.TrimSuffix(entry.ID, "-1"), 10, 64)
		found = append(found, offset)
	}
	return found
}

func TestKeepsWhatSinksPromise(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Database {
		c := client(t)
		return sinktest.Database{
			Open:    func() sink.Sink { return connect(t) },
			Offsets: func() []int64 { return offsets(t, c) },
			Empty:   func() { c.FlushAll(t.Context()) },
		}
	})
}

func TestKillsOfServerAndIngestLoseAndDoubleNothing(t *testing.T) {
	c := client(t)
	server.Kills(t, sinktest.Facts, func() sink.Sink { return connect(t) }, func() []int64 { return offsets(t, c) })
}

func TestKillsOfADurableServerTakeBackNothingThatWasAcknowledged(t *testing.T) {
	server.Need(t)
	durable, err := testserver.DurableValkey()
	if durable != nil {
		defer durable.Remove()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, durable)
	connect := func() sink.Sink { return sinktest.Connect(t, open, settingsOf(durable)) }
	durable.Kills(t, sinktest.Facts, connect, func() []int64 { return offsets(t, c) })
}

func TestEveryTypeIsStoredAsText(t *testing.T) {
	c := client(t)
	facts := table.Facts{Name: "typed", Document: true}
	for _, kind := range table.Types {
		facts.Columns = append(facts.Columns, table.Column{Name: string(kind), Type: kind, From: []string{string(kind)}})
	}
	record := &kgo.Record{Topic: "t", Key: []byte("k"), Timestamp: time.UnixMilli(1_700_000_000_123), Value: []byte(`{"text": "O'Neill", "int32": -5, "int64": 9223372036854775807,
		"float64": 0.1, "decimal": -0.000000001, "boolean": false, "timestamp": "2026-11-21T07:00:00.123456+01:00", "json": {"a": [1]}}`)}
	row, err := table.NewReader(facts).Batch(1).Row(record)
	if err != nil {
		t.Fatal(err)
	}
	nothing, err := table.NewReader(facts).Batch(1).Row(&kgo.Record{Topic: "t", Offset: 4, Timestamp: time.UnixMilli(0)})
	if err != nil {
		t.Fatal(err)
	}
	batch := sinktest.Batch(facts, 0, 5, nil, nil)
	batch.Rows = []table.Row{row, nothing}
	sinktest.MustWrite(t, connect(t), batch)
	entries, err := c.XRange(t.Context(), "mesh:{typed:0}", "-", "+").Result()
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	want := map[string]any{"ts": "2023-11-14T22:13:20.123000Z", "key": "k", "text": "O'Neill", "int32": "-5", "int64": "9223372036854775807", "float64": "0.1",
		"decimal": "-0.000000001", "boolean": "false", "timestamp": "2026-11-21T06:00:00.123456Z", "json": `{"a": [1]}`, "doc": string(record.Value)}
	if got := entries[0].Values; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, not %v", got, want)
	}
	if got := entries[1]; got.ID != "4-1" || fmt.Sprint(got.Values) != "map[ts:1970-01-01T00:00:00.000000Z]" {
		t.Error(got)
	}
}

func TestEntriesThatAreThereAreLeftAloneAndHolesAreNeverPassed(t *testing.T) {
	c, s := client(t), connect(t)
	sinktest.MustWrite(t, s, sinktest.Full(0, 5))
	c.HSet(t.Context(), offsetsKey, "t/0", 2)
	sinktest.MustWrite(t, s, sinktest.Full(2, 7))
	if got := fmt.Sprint(offsets(t, c)); got != "[0 1 2 3 4 5 6]" {
		t.Error(got)
	}
	c.XDel(t.Context(), "mesh:{events:0}", "3-1")
	c.HSet(t.Context(), offsetsKey, "t/0", 2)
	_, err := sink.Apply(t.Context(), s, sinktest.Full(2, 9), false)
	if err == nil || !strings.Contains(err.Error(), "has later entries, but none of offset 3") || s.Classify(err) != sink.Setup {
		t.Error(err)
	}
	if got := fmt.Sprint(offsets(t, c)); got != "[0 1 2 4 5 6]" {
		t.Error(got)
	}
}

func TestAFullServerKeepsWhatItHasAndTakesMoreLater(t *testing.T) {
	c, s := client(t), connect(t)
	sinktest.MustWrite(t, s, sinktest.Full(0, 3))
	c.ConfigSet(t.Context(), "maxmemory", "1mb")
	defer c.ConfigSet(context.WithoutCancel(t.Context()), "maxmemory", "0")
	more := sinktest.Full(3, 6)
	_, err := sink.Apply(t.Context(), s, more, false)
	if err == nil || !strings.Contains(err.Error(), "OOM") || s.Classify(err) != sink.Transient {
		t.Error(err)
	}
	if got := fmt.Sprint(offsets(t, c)); got != "[0 1 2]" {
		t.Error(got)
	}
	c.ConfigSet(t.Context(), "maxmemory", "0")
	sinktest.MustWrite(t, s, more)
	if got := fmt.Sprint(offsets(t, c)); got != "[0 1 2 3 4 5]" {
		t.Error(got)
	}
}

func TestASinkRefusesAServerThatThrowsRowsAway(t *testing.T) {
	c, s := client(t), connect(t)
	c.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru")
	defer c.ConfigSet(context.WithoutCancel(t.Context()), "maxmemory-policy", "noeviction")
	err := s.Prepare(t.Context(), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "allkeys-lru") || s.Classify(err) != sink.Setup {
		t.Error(err)
	}
}

func TestErrorsSayWhoMustAct(t *testing.T) {
	c, s := client(t), connect(t)
	c.Set(t.Context(), offsetsKey, "text", 0)
	var misfit *sink.Misfit
	if err := s.Prepare(t.Context(), nil, nil); !errors.As(err, &misfit) || !strings.Contains(err.Error(), "string found, hash expected") {
		t.Error(err)
	}
	if _, err := s.ReadOffsets(t.Context()); s.Classify(err) != sink.Setup {
		t.Error(err)
	}
	wrong := settings()
	wrong.User, wrong.Password = "nobody", "x"
	other, err := open(wrong)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ReadOffsets(t.Context()); other.Classify(err) != sink.Credentials {
		t.Error(err)
	}
	if _, err := open(sink.Settings{Database: "mesh"}); err == nil || !strings.Contains(err.Error(), "number of a database") {
		t.Error(err)
	}
}
