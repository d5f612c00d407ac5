// Package table makes rows of a topic's table from records: four fixed columns, typed columns from the JSON document, and the document itself.
package table

import "github.com/twmb/franz-go/pkg/kgo"

// Type of a column, the same for every engine.
type Type string

// The types. What a Value holds for each is said there.
const (
	Text      Type = "text"
	Int32     Type = "int32"
	Int64     Type = "int64"
	Float64   Type = "float64"
	Decimal   Type = "decimal"
	Boolean   Type = "boolean"
	Timestamp Type = "timestamp"
	JSON      Type = "json"
)

// Types in the order in which errors list them.
var Types = []Type{Text, Int32, Int64, Float64, Decimal, Boolean, Timestamp, JSON}

// Column is filled from the record's JSON document.
type Column struct {
	Name string
	Type Type
	// From are the members on the way to the value.
	From []string
	// Required means that a record without the value is never stored.
	Required bool
}

// Facts are the table of one topic. Its columns are part, off, ts, key, then Columns in their order, then doc where Document is true; the primary
// key is (part, off).
type Facts struct {
	Name     string
	Columns  []Column
	Document bool
}

// ColumnNames are all columns in the order of the table.
func (f Facts) ColumnNames() []string {
	names := []string{"part", "off", "ts", "key"}
	for _, column := range f.Columns {
		names = append(names, column.Name)
	}
	if f.Document {
		names = append(names, "doc")
	}
	return names
}

// Row is a record as the table of its topic takes it.
type Row struct {
	// Record gives partition, offset and time.
	Record *kgo.Record
	// Key as text, nil for NULL. Keys that are no text are `base64:…`; the bytes as they came are in the record.
	Key []byte
	// Values, one for each of the table's columns.
	Values []Value
	// Doc is valid JSON in UTF-8 without NUL, nil for NULL or where the table keeps no document.
	Doc []byte
}

// Value of a column. The zero Value is NULL.
type Value struct {
	// Set is false for NULL.
	Set bool
	// Int of int32, int64, boolean (0 or 1) and timestamp (microseconds since 1970, UTC).
	Int int64
	// Float of float64, always finite.
	Float float64
	// Bytes of text (UTF-8 without NUL), json (valid, UTF-8, without NUL and halves of characters) and decimal (canonical: `-12.5`, at most 29 digits
	// before the point and 9 behind it, no exponent, no needless zeros). Shared with the batch: not to be changed.
	Bytes []byte
}
