package postgres

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

func TestValuesThatJsonbCannotHoldAreKeptAsBase64(t *testing.T) {
	for value, wrapped := range map[string]bool{
		`{"a": 1}`:             false,
		` [1, "é", "\u00e9"] `: false,
		`"\ud83d\ude00"`:       false,
		`"\\ud83d"`:            false,
		`"\ud83d"`:             true,
		`"\ude00"`:             true,
		`"\ud83d\u0041"`:       true,
		`"a\u0000b"`:           true,
		`{"a": 1`:              true,
		`{} {}`:                true,
		"\"\xff\"":             true,
		" ":                    true,
		"\x00":                 true,
	} {
		got := string(documentOf([]byte(value)))
		want := value
		if wrapped {
			want = `{"base64": "` + base64.StdEncoding.EncodeToString([]byte(value)) + `"}`
		}
		if got != want {
			t.Errorf("%q became %q", value, got)
		}
	}
	if documentOf(nil) != nil || documentOf([]byte{}) != nil {
		t.Error("a tombstone is NULL")
	}
}

func TestKeysThatAreNoTextAreKeptAsBase64(t *testing.T) {
	for key, want := range map[string]string{
		"":         "",
		"plain é":  "plain é",
		"\xff":     "base64:/w==",
		"a\x00b":   "base64:YQBi",
		"a\ufffdb": "base64:Ye+/vWI=",
	} {
		if got := string(keyOf([]byte(key))); got != want {
			t.Errorf("%q became %q", key, got)
		}
	}
	if keyOf(nil) != nil {
		t.Error("no key is NULL")
	}
}

// Whatever the escapes: what passes as it is can be read by encoding/json without replacement characters.
func FuzzEscapes(f *testing.F) {
	for _, seed := range []string{`\ud83d\ude00`, `\\ud83d`, `\u00e9\n\udc00`, `\ud800`, `\`, `\u12`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := []byte(`"` + text + `"`)
		var read string
		if !json.Valid(value) || strings.ContainsRune(text, '\ufffd') || strings.Contains(strings.ToLower(text), "fffd") || json.Unmarshal(value, &read) != nil {
			return
		}
		halved := strings.ContainsRune(read, '\ufffd')
		if storableEscapes(value) && (halved || strings.ContainsRune(read, 0)) {
			t.Fatalf("%q passes, and reads as %q", value, read)
		}
	})
}

func TestBatchesThatProcessorsChangedAreRefused(t *testing.T) {
	piece := &stretch.Stretch{Topic: "t", From: 0, To: 2, Records: 2}
	other := &stretch.Stretch{Topic: "t", From: 2, To: 3, Records: 1}
	message := func(piece *stretch.Stretch, record *kgo.Record) *service.Message {
		return service.NewMessage([]byte("{}")).WithContext(stretch.With(context.Background(), &stretch.Entry{Stretch: piece, Record: record}))
	}
	a, b := &kgo.Record{Offset: 0}, &kgo.Record{Offset: 1}
	for name, batch := range map[string]service.MessageBatch{
		"must not drop":          {message(piece, a)},
		"must not add":           {message(piece, a), message(piece, a)},
		"must not regroup":       {message(piece, a), message(other, b)},
		"mesh_kafka only":        {service.NewMessage(nil)},
		"a processor failed":     {message(piece, a), failed(message(piece, b))},
		"1 of 2 records arrived": {message(piece, b)},
	} {
		if _, _, err := rowsOf(batch); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, rows, err := rowsOf(service.MessageBatch{message(piece, b), message(piece, a)}); err != nil || len(rows) != 2 {
		t.Error(err)
	}
}

func failed(message *service.Message) *service.Message {
	message.SetError(context.Canceled)
	return message
}
