package sinktest

import (
	"errors"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

// Facts of the table that the tests use: of the topic "t", with one column and the document.
var Facts = table.Facts{Name: "events", Columns: []table.Column{{Name: "n", Type: table.Int64, From: []string{"n"}, Required: true}}, Document: true}

// Typed is a table with a column of every type, and the document.
var Typed = func() table.Facts {
	facts := table.Facts{Name: "typed", Document: true}
	for _, kind := range table.Types {
		facts.Columns = append(facts.Columns, table.Column{Name: "a_" + string(kind), Type: kind, From: []string{string(kind)}})
	}
	return facts
}()

// Statements are those of a file that ends each with a semicolon and separates them by an empty line.
func Statements(text string) []string {
	return strings.Split(strings.TrimSuffix(text, ";\n"), ";\n\n")
}

// Connect makes a sink that is closed after the test.
func Connect(t testing.TB, open sink.Open, settings sink.Settings) sink.Sink {
	t.Helper()
	s, err := open(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Prepare makes the tables of Facts and Typed ready.
func Prepare(t testing.TB, s sink.Sink, createTables []string) {
	t.Helper()
	if err := s.Prepare(t.Context(), createTables, []table.Facts{Facts, Typed}); err != nil {
		t.Fatal(err)
	}
}

// MustWrite is Write where nothing may fail.
func MustWrite(t testing.TB, s sink.Sink, batch *sink.Batch) {
	t.Helper()
	if err := Write(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

// WantMisfit demands a *sink.Misfit that says all of the parts.
func WantMisfit(t testing.TB, err error, parts ...string) {
	t.Helper()
	var misfit *sink.Misfit
	if !errors.As(err, &misfit) {
		t.Fatal(err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}
