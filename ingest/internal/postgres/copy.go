package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errTime is a row that no timestamptz can hold. PostgreSQL would take the overflown number without a word.
var errTime = errors.New("the record's time is outside what timestamptz holds")

// Milliseconds since 1970 that timestamptz holds: 4714-11-24 BC to the end of the year 294276.
const (
	minTime      = -210_866_803_200_000
	maxTime      = 9_224_318_015_999_999
	epochOf2000  = 946_684_800_000
	copyColumns  = `(part, off, ts, key, doc)`
	fieldsPerRow = 5
)

var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// encode writes rows in the binary format of COPY (PostgreSQL documentation, COPY, "Binary Format"): a header, per row the number of fields and
// each field with its length in front, -1 at the end.
func encode(rows []row) ([]byte, error) {
	size := len(copyHeader) + 2
	for i := range rows {
		size += 2 + fieldsPerRow*4 + 4 + 8 + 8 + len(rows[i].key) + 1 + len(rows[i].doc)
	}
	out := append(make([]byte, 0, size), copyHeader...)
	order := binary.BigEndian
	for i := range rows {
		record := rows[i].record
		milliseconds := record.Timestamp.UnixMilli()
		if milliseconds < minTime || milliseconds > maxTime {
			return nil, fmt.Errorf("offset %d: %d milliseconds since 1970: %w", record.Offset, milliseconds, errTime)
		}
		out = order.AppendUint16(out, fieldsPerRow)
		out = order.AppendUint32(order.AppendUint32(out, 4), uint32(record.Partition))
		out = order.AppendUint64(order.AppendUint32(out, 8), uint64(record.Offset))
		out = order.AppendUint64(order.AppendUint32(out, 8), uint64((milliseconds-epochOf2000)*1000))
		out = appendField(out, rows[i].key)
		if rows[i].doc == nil {
			out = appendField(out, nil)
		} else {
			// jsonb is text behind a version, so far always 1.
			out = order.AppendUint32(out, uint32(len(rows[i].doc)+1))
			out = append(append(out, 1), rows[i].doc...)
		}
	}
	return order.AppendUint16(out, 0xffff), nil
}

func appendField(out, field []byte) []byte {
	if field == nil {
		return binary.BigEndian.AppendUint32(out, 0xffff_ffff)
	}
	return append(binary.BigEndian.AppendUint32(out, uint32(len(field))), field...)
}
