package mysql

import (
	"database/sql"
	_ "embed"
	"os"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/sink/sinktest"
	"compute-mesh.dev/ingest/internal/testserver"
)

var server *testserver.Server

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(m, &server, testserver.Mariadb))
}

// What the component library creates; tests/unit/model/table-sql-golden.test.ts keeps it so.
//
//go:embed testdata/create.sql
var createText string

func createTables() []string { return sinktest.Statements(createText) }

// fresh makes an empty database and returns its name.
func fresh(t testing.TB) string {
	t.Helper()
	name := server.NewName(t)
	execute(t, "", "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, "", "DROP DATABASE "+name) })
	return name
}

func settings(name string) sink.Settings {
	return sink.Settings{Host: "127.0.0.1", Port: server.Port, Database: name, User: "mesh", Timeout: 10 * time.Second, Writers: 4}
}

func connect(t testing.TB, name string) sink.Sink {
	t.Helper()
	return sinktest.Connect(t, open, settings(name))
}

// prepared is a sink on a new database with the tables in it.
func prepared(t testing.TB) (sink.Sink, string) {
	t.Helper()
	name := fresh(t)
	s := connect(t, name)
	sinktest.Prepare(t, s, createTables())
	return s, name
}

func execute(t testing.TB, name, statements string) {
	t.Helper()
	db, err := sql.Open("mysql", server.MysqlDSN(name))
	if err == nil {
		_, err = db.Exec(statements)
		_ = db.Close()
	}
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

func offsets(t testing.TB, name string) []int64 {
	t.Helper()
	db, err := sql.Open("mysql", server.MysqlDSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT off FROM events WHERE part = 0 ORDER BY off")
	if err != nil {
		if strings.Contains(err.Error(), "1146") {
			return nil
		}
		t.Fatal(err)
	}
	var found []int64
	for rows.Next() {
		var offset int64
		if err := rows.Scan(&offset); err != nil {
			t.Fatal(err)
		}
		found = append(found, offset)
	}
	return found
}

func text(t testing.TB, name, query string) string {
	t.Helper()
	db, err := sql.Open("mysql", server.MysqlDSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var value sql.NullString
	if err := db.QueryRow(query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !value.Valid {
		return "NULL"
	}
	return value.String
}
