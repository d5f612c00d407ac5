package table

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// keyOf is the key as text; `base64:…` where it is none, or where it holds what readers of text put in place of what they cannot read.
func keyOf(key []byte) []byte {
	if key == nil || (utf8.Valid(key) && bytes.IndexByte(key, 0) < 0 && !bytes.ContainsRune(key, utf8.RuneError)) {
		return key
	}
	return []byte("base64:" + base64.StdEncoding.EncodeToString(key))
}

// documentOf is the value as jsonb takes it: nil for a tombstone, `{"base64": "…"}` for what is no JSON or no text of PostgreSQL's.
func documentOf(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	if utf8.Valid(value) && storableEscapes(value) && json.Valid(value) {
		return value
	}
	return Wrap(value)
}

// Wrap is the document that stands for a value that no document can hold.
func Wrap(value []byte) []byte {
	return []byte(`{"base64": "` + base64.StdEncoding.EncodeToString(value) + `"}`)
}

// storableEscapes says that no \u escape stands for NUL or for half a character: valid JSON, but jsonb stores neither.
//
// A backslash before `\u0000` may itself be escaped; such a value is wrapped all the same, as the configuration for the stock engine does.
func storableEscapes(value []byte) bool {
	if !bytes.Contains(value, []byte(`\u`)) {
		return true
	}
	if bytes.Contains(value, []byte(`\u0000`)) {
		return false
	}
	for i := 0; i+1 < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		if value[i+1] != 'u' {
			i++
			continue
		}
		switch unit := escapedUnit(value[i:]); {
		case unit >= 0xdc00 && unit <= 0xdfff:
			return false
		case unit >= 0xd800 && unit <= 0xdbff:
			i += 6
			if low := escapedUnit(value[min(i, len(value)):]); low < 0xdc00 || low > 0xdfff {
				return false
			}
		}
		i += 5
	}
	return true
}

// escapedUnit reads `\uXXXX` at the start of the text; -1 if there is none.
func escapedUnit(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit := 0
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			unit = unit<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return unit
}
