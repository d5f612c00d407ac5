package ready

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/sink"
)

func TestAskSaysWhyIngestIsNotReady(t *testing.T) {
	s := NewState(10)
	server := httptest.NewServer(Handler(s, NewMetrics(s)))
	address := strings.TrimPrefix(server.URL, "http://")
	expect := func(line string, ready bool) {
		t.Helper()
		if gotLine, gotReady := Ask(context.Background(), address); gotLine != line || gotReady != ready {
			t.Errorf("it says %q, %v, not %q, %v", gotLine, gotReady, line, ready)
		}
	}
	expect("starting", false)
	s.Halt(`topic "orders" does not exist`)
	expect(`topic "orders" does not exist`, false)
	s.Start(map[sink.Partition]int64{{Topic: "orders", ID: 0}: 5}, "")
	s.Ended(sink.Partition{Topic: "orders", ID: 0}, 5)
	expect("caught up", true)
	s.Note("the database does not answer")
	expect("caught up; the database does not answer", true)
	s.Halt(strings.Repeat("é", shownBytes))
	expect(strings.Repeat("é", shownBytes/2)+"…", false)
	server.Close()
	if line, ready := Ask(context.Background(), address); ready || !strings.Contains(line, "ingest does not answer") {
		t.Errorf("nobody listens, and it says %q, %v", line, ready)
	}
}

func TestAskDoesNotTrustAStranger(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("pong")) }))
	defer server.Close()
	if line, ready := Ask(context.Background(), strings.TrimPrefix(server.URL, "http://")); ready || !strings.Contains(line, "status 200") {
		t.Errorf("it says %q, %v", line, ready)
	}
}
