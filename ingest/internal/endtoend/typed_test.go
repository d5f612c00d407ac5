package endtoend

import (
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/table"
	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kfake"
)

var typed = table.Facts{Name: "events", Columns: []table.Column{
	{Name: "n", Type: table.Int64, From: []string{"n"}, Required: true},
	{Name: "small", Type: table.Int32, From: []string{"a", "small"}},
	{Name: "price", Type: table.Decimal, From: []string{"a", "price"}},
	{Name: "ratio", Type: table.Float64, From: []string{"ratio"}},
	{Name: "good", Type: table.Boolean, From: []string{"good"}},
	{Name: "at", Type: table.Timestamp, From: []string{"at"}},
	{Name: "more", Type: table.JSON, From: []string{"more"}},
	{Name: "text", Type: table.Text, From: []string{"text"}},
}}

func TestTypedRowsAreExactAndPoisonIsSetAside(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1, kfake.SeedTopics(1, "dead"))
	c := client(t, brokers)
	for _, text := range []string{
		`{"n": 9223372036854775807, "a": {"small": -5, "price": 12345678901234567890123456789.123456789}, "ratio": 0.1, "good": true, "at": "2026-11-21T06:00:00.123456Z", "more": {"x": [1]}, "text": "é"}`,
		`{"n": 9007199254740993, "a": {"price": "-0.000000001"}, "good": false, "at": 1700000000123}`,
		`{"n": 1, "a": {"price": 1200}, "ratio": -1e-300}`,
		`{"n": "much"}`, `{"n": 9223372036854775808}`, `{"a": {}}`, ``, `{"n": 2, "a": {"small": 2147483648}}`, `no JSON`,
		`{"n": 3, "a": {"price": 10000.0001}, "at": "9999-12-31T23:59:59Z"}`,
	} {
		record := value(0)
		record.Value = []byte(text)
		produce(t, c, record)
	}
	d := podOf(brokers, database, 1)
	d.facts, d.deadLetter = typed, "dead"
	p := d.start(t)
	p.waitReady(t, 200, "caught up")
	p.waitUntil(t, "all rows", func() bool { return caughtUp(t, cluster, dsn) })
	const shown = `SELECT string_agg(row(off, n, small, price, ratio, good, at AT TIME ZONE 'UTC', more, text)::text, ' ' ORDER BY off) FROM events`
	want := `(0,9223372036854775807,-5,12345678901234567890123456789.123456789,0.1,t,"2026-11-21 06:00:00.123456","{""x"": [1]}",é) ` +
		`(1,9007199254740993,,-0.000000001,,f,"2023-11-14 22:13:20.123",,) (2,1,,1200.000000000,-1e-300,,,,) (9,3,,10000.000100000,,,"9999-12-31 23:59:59",,)`
	if got := testdb.Text(t, dsn, shown); got != want {
		t.Errorf("%s\n%s", got, want)
	}
	var reasons []string
	for _, dead := range deadLetters(t, brokers, 6) {
		reasons = append(reasons, headersOf(dead))
	}
	for i, text := range []string{`mesh_offset=3 mesh_error=column "n": n is "much"; a whole number of 64 bits`, "mesh_offset=4", "mesh_offset=5 mesh_error=column \"n\": the document has no n",
		"mesh_offset=6", `mesh_offset=7 mesh_error=column "small": a.small is 2147483648`, "mesh_offset=8 mesh_error=the record is no JSON document"} {
		if !strings.Contains(reasons[i], text) {
			t.Errorf("%s is not %s", reasons[i], text)
		}
	}
}

func TestPoisonWithoutADeadLetterTopicEndsTheProgramAndNamesTheRecord(t *testing.T) {
	database, dsn := server.Empty(t)
	_, brokers := broker(t, 1)
	c := client(t, brokers)
	produce(t, c, value(0))
	bad := value(1)
	bad.Value = []byte(`{"n": "x"}`)
	produce(t, c, bad)
	d := podOf(brokers, database, 1)
	d.facts = typed
	d.start(t).wantEnd(t, `events/0 offset 1 can never be stored: column \"n\": n is \"x\"`)
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events WHERE off > 0"); got != "0" {
		t.Error(got)
	}
}
