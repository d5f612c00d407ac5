package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"compute-mesh.dev/ingest/internal/table"
)

// errTime is a row that no DateTime64(6) can hold. ClickHouse would take the nearest it has without a word.
var errTime = errors.New("the time is outside what DateTime64 holds, the years 1900 to 2299")

// Microseconds since 1970 that DateTime64(6) holds.
var (
	minTime = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxTime = time.Date(2299, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

// encode writes rows in the format RowBinary: https://clickhouse.com/docs/interfaces/formats/RowBinary.
func encode(facts table.Facts, rows []table.Row) ([]byte, error) {
	size := 0
	for i := range rows {
		size += 32 + len(rows[i].Key) + len(rows[i].Doc)
		for j := range rows[i].Values {
			size += 20 + len(rows[i].Values[j].Bytes)
		}
	}
	out := make([]byte, 0, size)
	for i := range rows {
		record := rows[i].Record
		milliseconds := record.Timestamp.UnixMilli()
		if milliseconds < minTime/1000 || milliseconds > maxTime/1000 {
			return nil, fmt.Errorf("offset %d: %d milliseconds since 1970: %w", record.Offset, milliseconds, errTime)
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(record.Partition))
		out = binary.LittleEndian.AppendUint64(out, uint64(record.Offset))
		out = binary.LittleEndian.AppendUint64(out, uint64(milliseconds*1000))
		out = appendNullable(out, rows[i].Key)
		for j, column := range facts.Columns {
			value := &rows[i].Values[j]
			if column.Type == table.Timestamp && value.Set && (value.Int < minTime || value.Int > maxTime) {
				return nil, fmt.Errorf("offset %d, column %q: %w", record.Offset, column.Name, errTime)
			}
			if !column.Required {
				if !value.Set {
					out = append(out, 1)
					continue
				}
				out = append(out, 0)
			}
			out = appendValue(out, column.Type, value)
		}
		if facts.Document {
			out = appendNullable(out, rows[i].Doc)
		}
	}
	return out, nil
}

func appendValue(out []byte, kind table.Type, value *table.Value) []byte {
	switch kind {
	case table.Int32:
		return binary.LittleEndian.AppendUint32(out, uint32(value.Int))
	case table.Int64, table.Timestamp:
		return binary.LittleEndian.AppendUint64(out, uint64(value.Int))
	case table.Float64:
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(value.Float))
	case table.Boolean:
		return append(out, byte(value.Int))
	case table.Decimal:
		return appendDecimal(out, value.Bytes)
	default:
		return appendText(out, value.Bytes)
	}
}

// appendDecimal writes Decimal(38, 9): the number × 10⁹ as 128 bits.
func appendDecimal(out, text []byte) []byte {
	digits := make([]byte, 0, len(text)+9)
	fraction := -1
	for _, c := range text {
		if c == '.' {
			fraction = 0
			continue
		}
		if fraction >= 0 {
			fraction++
		}
		digits = append(digits, c)
	}
	for range 9 - max(fraction, 0) {
		digits = append(digits, '0')
	}
	number, _ := new(big.Int).SetString(string(digits), 10)
	if number.Sign() < 0 {
		number.Add(number, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	var bytes [16]byte
	number.FillBytes(bytes[:])
	for i := 15; i >= 0; i-- {
		out = append(out, bytes[i])
	}
	return out
}

func appendNullable(out, text []byte) []byte {
	if text == nil {
		return append(out, 1)
	}
	return appendText(append(out, 0), text)
}

func appendText(out, text []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}
