package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader makes rows. It is bound to one table and may be used by several goroutines at once.
type Reader struct {
	facts Facts
	root  *member
}

// member of the document that columns come from, or that leads to some.
type member struct {
	// columns that the member's value goes into.
	columns []int
	// below are all columns of the member and of what it holds.
	below   []int
	members map[string]*member
}

// NewReader prepares the ways to the columns.
func NewReader(facts Facts) *Reader {
	r := &Reader{facts: facts, root: &member{}}
	for i, column := range facts.Columns {
		at := r.root
		at.below = append(at.below, i)
		for _, name := range column.From {
			if at.members == nil {
				at.members = map[string]*member{}
			}
			if at.members[name] == nil {
				at.members[name] = &member{}
			}
			at = at.members[name]
			at.below = append(at.below, i)
		}
		at.columns = append(at.columns, i)
	}
	return r
}

// Facts of the reader's table.
func (r *Reader) Facts() Facts { return r.facts }

// Batch makes the rows of one batch. Not for several goroutines.
type Batch struct {
	reader  *Reader
	decoder *jsontext.Decoder
	// values and text are cut into pieces for the rows, so that a row needs no memory of its own.
	values []Value
	text   []byte
	name   []byte
}

// Batch begins a batch of about so many rows.
func (r *Reader) Batch(rows int) *Batch {
	return &Batch{reader: r, decoder: new(jsontext.Decoder), values: make([]Value, 0, rows*len(r.facts.Columns))}
}

// Row is the record's row, or an error where the record can never have one.
//
// The value is an empty one (a tombstone) or a JSON object where the table has columns; without columns anything goes, and what is no JSON is kept as
// `{"base64": "…"}`. Where a member is there twice the last one counts.
func (b *Batch) Row(record *kgo.Record) (Row, error) {
	facts := b.reader.facts
	row := Row{Record: record, Key: keyOf(record.Key)}
	if facts.Document {
		row.Doc = documentOf(record.Value)
	}
	if len(facts.Columns) == 0 {
		return row, nil
	}
	first := len(b.values)
	b.values = append(b.values, make([]Value, len(facts.Columns))...)
	row.Values = b.values[first:len(b.values):len(b.values)]
	if len(record.Value) > 0 {
		if err := b.read(record.Value, row.Values); err != nil {
			return Row{}, err
		}
	}
	for i, column := range facts.Columns {
		if column.Required && !row.Values[i].Set {
			return Row{}, fmt.Errorf("column %q: the document has no %s, and the column is required", column.Name, strings.Join(column.From, "."))
		}
	}
	return row, nil
}

func (b *Batch) read(document []byte, values []Value) error {
	b.decoder.Reset(bytes.NewBuffer(document), jsontext.AllowDuplicateNames(true))
	if kind := b.decoder.PeekKind(); kind != '{' {
		if !jsontext.Value(document).IsValid(jsontext.AllowDuplicateNames(true)) {
			return errors.New("the record is no JSON document")
		}
		return fmt.Errorf("the record is no JSON object but %s", shortened(document))
	}
	err := b.object(b.decoder, b.reader.root, values)
	if err == nil {
		if _, errEnd := b.decoder.ReadToken(); !errors.Is(errEnd, io.EOF) {
			return errors.New("the record is no JSON document: something follows the object")
		}
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the record is no JSON document: %w", err)
	}
	return err
}

// object reads the members of the object that begins here.
func (b *Batch) object(decoder *jsontext.Decoder, at *member, values []Value) error {
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadValue()
		if err != nil {
			return err
		}
		below, err := b.lookUp(at, name)
		if err != nil {
			return err
		}
		if below == nil {
			err = decoder.SkipValue()
		} else {
			err = b.member(decoder, below, values)
		}
		if err != nil {
			return err
		}
	}
	_, err := decoder.ReadToken()
	return err
}

func (b *Batch) lookUp(at *member, quoted jsontext.Value) (*member, error) {
	if bytes.IndexByte(quoted, '\\') < 0 && len(quoted) >= 2 {
		return at.members[string(quoted[1:len(quoted)-1])], nil
	}
	name, err := jsontext.AppendUnquote(b.name[:0], quoted)
	b.name = name
	return at.members[string(name)], err
}

// member reads the value of a member that columns come from.
func (b *Batch) member(decoder *jsontext.Decoder, at *member, values []Value) error {
	for _, column := range at.below {
		values[column] = Value{}
	}
	if len(at.columns) == 0 {
		switch decoder.PeekKind() {
		case '{':
			return b.object(decoder, at, values)
		case 'n':
			return decoder.SkipValue()
		}
	}
	raw, err := decoder.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	for _, i := range at.columns {
		if values[i], err = b.value(b.reader.facts.Columns[i], raw); err != nil {
			return err
		}
	}
	if len(at.members) == 0 {
		return nil
	}
	if raw.Kind() != '{' {
		column := b.reader.facts.Columns[deeper(at)]
		return fmt.Errorf("column %q: %s leads through %s, which is no object", column.Name, strings.Join(column.From, "."), shortened(raw))
	}
	// A member that is a column itself and holds others.
	return b.object(jsontext.NewDecoder(bytes.NewBuffer(raw.Clone()), jsontext.AllowDuplicateNames(true)), at, values)
}

// deeper is a column that lies below the member.
func deeper(at *member) int {
	for _, next := range at.members {
		return next.below[0]
	}
	return -1
}

func shortened(text []byte) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}
