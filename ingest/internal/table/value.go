package table

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

var wanted = map[Type]string{
	Text:      "a text without NUL",
	Int32:     "a whole number of 32 bits",
	Int64:     "a whole number of 64 bits (a text that is one counts)",
	Float64:   "a number that a double can hold",
	Decimal:   "a number of at most 29 digits before the point and 9 behind it (a text that is one counts)",
	Boolean:   "true or false",
	Timestamp: "a time in RFC 3339, or milliseconds since 1970 as a number,",
	JSON:      "JSON without NUL",
}

// value converts what is in the document, exactly or not at all. Only doubles are rounded, to the nearest, and times are cut off at microseconds.
func (b *Batch) value(column Column, raw jsontext.Value) (Value, error) {
	value, fits := b.convert(column.Type, raw)
	if !fits {
		return Value{}, fmt.Errorf("column %q: %s is %s; %s is needed", column.Name, strings.Join(column.From, "."), shortened(raw), wanted[column.Type])
	}
	value.Set = true
	return value, nil
}

func (b *Batch) convert(kind Type, raw jsontext.Value) (Value, bool) {
	switch kind {
	case Text:
		text, fits := b.unquoted(raw)
		return Value{Bytes: text}, fits
	case Int32:
		number, fits := wholeNumber(raw)
		return Value{Int: number}, fits && number >= math.MinInt32 && number <= math.MaxInt32
	case Int64:
		number, fits := wholeNumber(b.numeral(raw))
		return Value{Int: number}, fits
	case Float64:
		return floatOf(raw)
	case Decimal:
		number, fits := parseExact(b.numeral(raw))
		if !fits {
			return Value{}, false
		}
		from := len(b.text)
		b.text, fits = number.appendDecimal(b.text)
		return Value{Bytes: b.text[from:len(b.text):len(b.text)]}, fits
	case Boolean:
		switch raw.Kind() {
		case 't':
			return Value{Int: 1}, true
		case 'f':
			return Value{}, true
		}
	case Timestamp:
		return b.timestamp(raw)
	case JSON:
		from := len(b.text)
		b.text = append(b.text, raw...)
		return Value{Bytes: b.text[from:len(b.text):len(b.text)]}, storableEscapes(raw)
	}
	return Value{}, false
}

// unquoted is the text that a JSON string stands for.
func (b *Batch) unquoted(raw jsontext.Value) ([]byte, bool) {
	if raw.Kind() != '"' {
		return nil, false
	}
	from := len(b.text)
	text, err := jsontext.AppendUnquote(b.text, raw)
	if err != nil {
		return nil, false
	}
	b.text = text
	piece := text[from:len(text):len(text)]
	return piece, bytes.IndexByte(piece, 0) < 0
}

// numeral is the number as it is written, also where JSON has it in a text because its readers would round it.
func (b *Batch) numeral(raw jsontext.Value) []byte {
	if raw.Kind() == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return raw
}

func wholeNumber(text []byte) (int64, bool) {
	if number, fits := parseInt(text); fits {
		return number, true
	}
	number, fits := parseExact(text)
	if !fits {
		return 0, false
	}
	return number.whole(0)
}

func floatOf(raw jsontext.Value) (Value, bool) {
	if raw.Kind() != '0' {
		return Value{}, false
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	return Value{Float: number}, err == nil
}

func (b *Batch) timestamp(raw jsontext.Value) (Value, bool) {
	if raw.Kind() == '0' {
		number, fits := parseExact(raw)
		if !fits {
			return Value{}, false
		}
		microseconds, fits := number.whole(3)
		return Value{Int: microseconds}, fits
	}
	from := len(b.text)
	text, fits := b.unquoted(raw)
	b.text = b.text[:from]
	if !fits {
		return Value{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return Value{Int: at.UnixMicro()}, err == nil
}
