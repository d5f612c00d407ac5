package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"compute-mesh.dev/ingest/internal/table"
)

// errTime is a row that no timestamptz can hold. PostgreSQL would take the overflown number without a word.
var errTime = errors.New("the time is outside what timestamptz holds")

// Milliseconds since 1970 that timestamptz holds: 4714-11-24 BC to the end of the year 294276.
const (
	minTime     = -210_866_803_200_000
	maxTime     = 9_224_318_015_999_999
	epochOf2000 = 946_684_800_000
)

var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// encode writes rows in the binary format of COPY (PostgreSQL documentation, COPY, "Binary Format"): a header, per row the number of fields and
// each field with its length in front, -1 at the end.
func encode(facts table.Facts, rows []table.Row) ([]byte, error) {
	fields := len(facts.ColumnNames())
	size := len(copyHeader) + 2
	for i := range rows {
		size += 2 + fields*12 + len(rows[i].Key) + len(rows[i].Doc)
		for j := range rows[i].Values {
			size += len(rows[i].Values[j].Bytes)
		}
	}
	out := append(make([]byte, 0, size), copyHeader...)
	order := binary.BigEndian
	for i := range rows {
		record := rows[i].Record
		milliseconds := record.Timestamp.UnixMilli()
		if milliseconds < minTime || milliseconds > maxTime {
			return nil, fmt.Errorf("offset %d: %d milliseconds since 1970: %w", record.Offset, milliseconds, errTime)
		}
		out = order.AppendUint16(out, uint16(fields))
		out = order.AppendUint32(order.AppendUint32(out, 4), uint32(record.Partition))
		out = appendInt64(out, record.Offset)
		out = appendInt64(out, (milliseconds-epochOf2000)*1000)
		out = appendField(out, rows[i].Key)
		for j, column := range facts.Columns {
			value := &rows[i].Values[j]
			if column.Type == table.Timestamp && value.Set && value.Int < minTime*1000 {
				return nil, fmt.Errorf("offset %d, column %q: %w", record.Offset, column.Name, errTime)
			}
			out = appendValue(out, column.Type, value)
		}
		if facts.Document {
			out = appendJSON(out, rows[i].Doc)
		}
	}
	return order.AppendUint16(out, 0xffff), nil
}

func appendValue(out []byte, kind table.Type, value *table.Value) []byte {
	order := binary.BigEndian
	if !value.Set {
		return appendField(out, nil)
	}
	switch kind {
	case table.Int32:
		return order.AppendUint32(order.AppendUint32(out, 4), uint32(value.Int))
	case table.Int64:
		return appendInt64(out, value.Int)
	case table.Float64:
		return appendInt64(out, int64(math.Float64bits(value.Float)))
	case table.Boolean:
		return append(order.AppendUint32(out, 1), byte(value.Int))
	case table.Timestamp:
		return appendInt64(out, value.Int-epochOf2000*1000)
	case table.Decimal:
		return appendNumeric(out, value.Bytes)
	case table.JSON:
		return appendJSON(out, value.Bytes)
	default:
		return appendText(out, value.Bytes)
	}
}

func appendInt64(out []byte, number int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(out, 8), uint64(number))
}

func appendField(out, field []byte) []byte {
	if field == nil {
		return binary.BigEndian.AppendUint32(out, 0xffff_ffff)
	}
	return appendText(out, field)
}

func appendText(out, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(out, uint32(len(text))), text...)
}

// appendJSON writes jsonb, which is text behind a version, so far always 1.
func appendJSON(out, text []byte) []byte {
	if text == nil {
		return appendField(out, nil)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(text)+1))
	return append(append(out, 1), text...)
}

// appendNumeric writes numeric as `numeric_recv` reads it: number of digits of base 10,000, weight of the first, sign, digits behind the point, digits.
func appendNumeric(out, text []byte) []byte {
	order := binary.BigEndian
	sign := uint16(0)
	if text[0] == '-' {
		sign, text = 0x4000, text[1:]
	}
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	var digits []uint16
	// Groups of four count from the point to both sides.
	for rest := whole; len(rest) > 0; {
		cut := (len(rest)-1)%4 + 1
		digits, rest = append(digits, group(rest[:cut], cut)), rest[cut:]
	}
	weight := len(digits) - 1
	for rest := fraction; len(rest) > 0; {
		cut := min(4, len(rest))
		digits, rest = append(digits, group(rest[:cut], 4)), rest[cut:]
	}
	out = order.AppendUint32(out, uint32(8+2*len(digits)))
	out = order.AppendUint16(order.AppendUint16(out, uint16(len(digits))), uint16(weight))
	out = order.AppendUint16(order.AppendUint16(out, sign), uint16(len(fraction)))
	for _, digit := range digits {
		out = order.AppendUint16(out, digit)
	}
	return out
}

// group is up to four digits as a number, as if filled with zeros behind to the width.
func group(text []byte, width int) uint16 {
	number := uint16(0)
	for i := range width {
		number *= 10
		if i < len(text) {
			number += uint16(text[i] - '0')
		}
	}
	return number
}
