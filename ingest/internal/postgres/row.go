package postgres

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

// row is a record as the table of its topic takes it. A nil key or document is NULL.
type row struct {
	record *kgo.Record
	key    []byte
	doc    []byte
}

// rowsOf checks that the batch is one whole stretch of the mesh's own input and makes its rows.
//
// A processor that drops, adds or regroups messages would make rows disappear: the stretch would count as written without them.
func rowsOf(batch service.MessageBatch) (*stretch.Stretch, []row, error) {
	var piece *stretch.Stretch
	rows := make([]row, 0, len(batch))
	seen := make(map[*kgo.Record]struct{}, len(batch))
	for _, message := range batch {
		entry := stretch.Of(message.Context())
		if entry == nil {
			return nil, nil, fmt.Errorf("mesh_postgres takes messages of the input mesh_kafka only, with their context")
		}
		if piece == nil {
			piece = entry.Stretch
		} else if piece != entry.Stretch {
			return nil, nil, fmt.Errorf("%v and %v arrived in one batch: processors must not regroup batches", piece, entry.Stretch)
		}
		if entry.Record == nil {
			continue
		}
		if _, double := seen[entry.Record]; double {
			return nil, nil, fmt.Errorf("%v: offset %d arrived twice in one batch: processors must not add messages", piece, entry.Record.Offset)
		}
		seen[entry.Record] = struct{}{}
		if err := message.GetError(); err != nil {
			return nil, nil, fmt.Errorf("%v: a processor failed at offset %d: %w", piece, entry.Record.Offset, err)
		}
		content, err := message.AsBytes()
		if err != nil {
			return nil, nil, fmt.Errorf("%v: offset %d has no content: %w", piece, entry.Record.Offset, err)
		}
		rows = append(rows, row{record: entry.Record, key: keyOf(entry.Record.Key), doc: documentOf(content)})
	}
	if len(rows) != piece.Records {
		return nil, nil, fmt.Errorf("%v: %d of %d records arrived: processors must not drop messages or split batches", piece, len(rows), piece.Records)
	}
	return piece, rows, nil
}

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
	return wrap(value)
}

func wrap(value []byte) []byte {
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
