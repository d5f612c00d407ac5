package clickhouse

import (
	_ "embed"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testserver"
)

var server *testserver.Server

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(m, &server, testserver.Chdb))
}

// What the component library creates; tests/unit/model/table-sql-golden.test.ts keeps it so.
//
//go:embed testdata/create.sql
var createText string

func createTables() []string { return sinktest.Statements(createText) }

func fresh(t testing.TB) string {
	t.Helper()
	name := server.NewName(t)
	execute(t, "default", "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, "default", "DROP DATABASE "+name+" SYNC") })
	return name
}

func settings(name string) sink.Settings {
	return sink.Settings{Host: "127.0.0.1", Port: server.Port, Database: name, User: "mesh", Timeout: 60 * time.Second, Writers: 4}
}

func connect(t testing.TB, name string) *database {
	t.Helper()
	return sinktest.Connect(t, open, settings(name)).(*database)
}

func prepared(t testing.TB) (*database, string) {
	t.Helper()
	name := fresh(t)
	s := connect(t, name)
	sinktest.Prepare(t, s, createTables())
	return s, name
}

func execute(t testing.TB, name string, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		// Not the test's context: cleaning up comes after its end.
		if _, err := connectQuietly(t, name).client.run(ctx(t), statement, nil, nil); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func connectQuietly(t testing.TB, name string) *database {
	t.Helper()
	s, err := open(sink.Settings{Host: "127.0.0.1", Port: server.Port, Database: name, User: "mesh", Timeout: 60 * time.Second, Writers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*database)
}

// text is the answer, fields joined by blanks, rows by commas.
func text(t testing.TB, name, query string) string {
	t.Helper()
	rows, err := connectQuietly(t, name).client.lines(ctx(t), query, nil)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, strings.Join(row, " "))
	}
	return strings.Join(lines, ",")
}

func offsets(t testing.TB, name string) []int64 {
	t.Helper()
	var found []int64
	if text(t, name, "EXISTS TABLE events") == "0" {
		return nil
	}
	for _, one := range strings.FieldsFunc(text(t, name, "SELECT off FROM events FINAL WHERE part = 0 ORDER BY off"), func(r rune) bool { return r == ',' }) {
		offset, _ := strconv.ParseInt(one, 10, 64)
		found = append(found, offset)
	}
	return found
}
