package ready

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/sink"
)

var a, b = sink.Partition{Topic: "t", ID: 0}, sink.Partition{Topic: "t", ID: 1}

func want(t *testing.T, s *State, ready bool, reason string) {
	t.Helper()
	if report := s.Report(0); report.Ready != ready || !strings.Contains(report.Reason, reason) {
		t.Errorf("%v %q, not %v %q", report.Ready, report.Reason, ready, reason)
	}
}

func TestReadyOnceEveryPartitionWasCloseAndUntilOneIsFarBehind(t *testing.T) {
	s := NewState(10)
	want(t, s, false, "starting")
	s.Start(map[sink.Partition]int64{a: 0, b: -1}, "")
	want(t, s, false, "catching up: 2 of 2")
	s.Ended(a, 100)
	s.Ended(b, 0)
	want(t, s, false, "2 of 2")
	s.Began(b, 0)
	want(t, s, false, "1 of 2 partitions were never within 10 records of their end, among them t/0")
	s.Written(a, 89)
	want(t, s, false, "catching up")
	s.Ended(b, 50)
	s.Written(a, 90)
	want(t, s, true, "caught up")
	s.Ended(a, 190)
	want(t, s, true, "caught up")
	s.Ended(a, 191)
	want(t, s, false, "fell behind")
	s.Written(a, 180)
	want(t, s, false, "catching up: 2 of 2")
	s.Written(a, 181)
	s.Written(b, 45)
	want(t, s, true, "caught up")
}

func TestWhatStopsIngestIsTheReason(t *testing.T) {
	s := NewState(10)
	s.Start(map[sink.Partition]int64{a: 5}, "")
	s.Ended(a, 5)
	want(t, s, true, "")
	s.Halt("the database is away")
	s.Ended(a, 5)
	want(t, s, false, "the database is away")
	s.Start(map[sink.Partition]int64{a: 5}, "shard 1 is awaited")
	s.Ended(a, 5)
	want(t, s, false, "shard 1 is awaited")
}

func TestOnlyPartitionsThatCameOrFellBackHaveToCatchUpAgain(t *testing.T) {
	s := NewState(10)
	s.Start(map[sink.Partition]int64{a: 50}, "")
	s.Ended(a, 50)
	s.Ended(a, 120)
	s.Start(map[sink.Partition]int64{a: 50, b: 0}, "")
	want(t, s, false, "1 of 2 partitions were never within 10 records of their end, among them t/1")
	s.Ended(b, 0)
	want(t, s, true, "caught up")
	s.Start(map[sink.Partition]int64{a: 20, b: 0}, "")
	want(t, s, false, "1 of 2 partitions were never within 10 records of their end, among them t/0")
}

func TestANodeWithoutShardsIsReady(t *testing.T) {
	s := NewState(10)
	s.Start(nil, "")
	want(t, s, true, "no shard")
}

func TestOnlyOffsetsThatTheDatabaseHasAreExpectedThere(t *testing.T) {
	s := NewState(10)
	s.Start(map[sink.Partition]int64{a: -1, b: 3}, "")
	s.Began(a, 7)
	if got := s.Stored(); len(got) != 1 || got[b] != 3 {
		t.Error(got)
	}
	s.Written(a, 9)
	if got := s.Stored(); got[a] != 9 {
		t.Error(got)
	}
}

func TestTheBodyShowsThePartitionsThatAreBehindFirstAndIsBounded(t *testing.T) {
	s := NewState(10)
	next := map[sink.Partition]int64{}
	for id := range int32(200) {
		next[sink.Partition{Topic: "t", ID: id}] = 5
	}
	s.Start(next, "")
	for id := range int32(200) {
		s.Ended(sink.Partition{Topic: "t", ID: id}, 5+int64(id))
	}
	s.Note("Kafka does not answer")
	recorder := httptest.NewRecorder()
	Handler(s, NewMetrics(s)).ServeHTTP(recorder, httptest.NewRequest("GET", "/ready", nil))
	var report Report
	if err := json.Unmarshal(recorder.Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != 503 || len(report.Partitions) != 50 || report.More != 150 || report.Partitions[0].Partition != 199 || *report.Partitions[0].Lag != 199 ||
		report.Note != "Kafka does not answer" {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}
