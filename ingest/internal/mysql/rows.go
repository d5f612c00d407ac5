package mysql

import (
	"fmt"
	"strconv"
	"time"

	"compute-mesh.dev/ingest/internal/table"
)

// Microseconds since 1970 that datetime holds.
var (
	minTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

// appendRow writes `(…)` of one row for INSERT … VALUES, and as little of SQL as that takes: numbers, NULL and quoted text.
func appendRow(out []byte, facts table.Facts, row *table.Row) ([]byte, error) {
	record := row.Record
	out = append(out, '(')
	out = strconv.AppendInt(out, int64(record.Partition), 10)
	out = append(out, ',')
	out = strconv.AppendInt(out, record.Offset, 10)
	out = append(out, ',')
	milliseconds := record.Timestamp.UnixMilli()
	if milliseconds < minTime/1000 || milliseconds > maxTime/1000 {
		return nil, fmt.Errorf("offset %d: %d milliseconds since 1970: %w", record.Offset, milliseconds, errTime)
	}
	out = appendTime(out, milliseconds*1000)
	out = append(out, ',')
	out = appendText(out, row.Key)
	for j, column := range facts.Columns {
		value := &row.Values[j]
		if column.Type == table.Timestamp && value.Set && (value.Int < minTime || value.Int > maxTime) {
			return nil, fmt.Errorf("offset %d, column %q: %w", record.Offset, column.Name, errTime)
		}
		out = appendValue(append(out, ','), column.Type, value)
	}
	if facts.Document {
		out = appendText(append(out, ','), row.Doc)
	}
	return append(out, ')'), nil
}

func appendValue(out []byte, kind table.Type, value *table.Value) []byte {
	if !value.Set {
		return append(out, "NULL"...)
	}
	switch kind {
	case table.Int32, table.Int64, table.Boolean:
		return strconv.AppendInt(out, value.Int, 10)
	case table.Float64:
		// The exponent makes it a double; without one the server would read a decimal.
		return strconv.AppendFloat(out, value.Float, 'e', -1, 64)
	case table.Decimal:
		return append(out, value.Bytes...)
	case table.Timestamp:
		return appendTime(out, value.Int)
	default:
		if value.Bytes == nil {
			return append(out, "''"...)
		}
		return appendText(out, value.Bytes)
	}
}

func appendTime(out []byte, microseconds int64) []byte {
	return time.UnixMicro(microseconds).UTC().AppendFormat(out, "'2006-01-02 15:04:05.000000'")
}

// appendText quotes text, nil is NULL. Backslashes escape, because sql_mode of the session says so; UTF-8 has no other byte that could end a text.
func appendText(out, text []byte) []byte {
	if text == nil {
		return append(out, "NULL"...)
	}
	out = append(out, '\'')
	begin := 0
	for i, c := range text {
		if c == '\'' || c == '\\' || c == 0 {
			out = append(append(out, text[begin:i]...), '\\')
			begin = i
			if c == 0 {
				out = append(out, '0')
				begin = i + 1
			}
		}
	}
	return append(append(out, text[begin:]...), '\'')
}
