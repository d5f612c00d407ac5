package table

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func rowOf(facts Facts, value string) (Row, error) {
	record := &kgo.Record{Key: []byte("k"), Value: []byte(value)}
	return NewReader(facts).Batch(1).Row(record)
}

// shown is a value as the tests write it.
func shown(kind Type, value Value) string {
	switch {
	case !value.Set:
		return "NULL"
	case kind == Float64:
		return fmt.Sprint(value.Float)
	case kind == Text || kind == Decimal || kind == JSON:
		return string(value.Bytes)
	case kind == Timestamp:
		return time.UnixMicro(value.Int).UTC().Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(value.Int)
	}
}

const poison = "poison"

func TestValuesAreConvertedExactlyOrNotAtAll(t *testing.T) {
	for kind, cases := range map[Type]map[string]string{
		Text: {`"é\n\ud83d\ude00"`: "é\n😀", `""`: "", `null`: "NULL", `5`: poison, `"a\u0000b"`: poison, `"\ud83d"`: poison, "\"\xff\"": poison, `{}`: poison},
		Int32: {`2147483647`: "2147483647", `-2147483648`: "-2147483648", `2147483648`: poison, `1.0`: "1", `1.5`: poison, `"1"`: poison, `true`: poison,
			`1e3`: "1000", `1e-1`: poison},
		Int64: {`9223372036854775807`: "9223372036854775807", `-9223372036854775808`: "-9223372036854775808", `9223372036854775808`: poison,
			`-9223372036854775809`: poison, `9007199254740993`: "9007199254740993", `"9007199254740993"`: "9007199254740993", `922337203685477580.7e1`: "9223372036854775807",
			`0e99999999999`: "0", `1e99999999999`: poison, `1e19`: poison, `1e18`: "1000000000000000000", `"12x"`: poison, `""`: poison, `-0`: "0", `18446744073709551617`: poison},
		Float64: {`0.1`: "0.1", `1e308`: "1e+308", `1e400`: poison, `"1"`: poison, `3`: "3"},
		Decimal: {`0.1`: "0.1", `-12.500`: "-12.5", `"12345678901234567890123456789.123456789"`: "12345678901234567890123456789.123456789",
			`123456789012345678901234567890`: poison, `0.1234567891`: poison, `0.1234567890`: "0.123456789", `1e28`: "1" + strings.Repeat("0", 28), `1e29`: poison,
			`1.5e-8`: "0.000000015", `-0.0`: "0", `"abc"`: poison, `"1."`: poison, `"+1"`: poison, `"01"`: poison, `true`: poison, `120`: "120", `1.20e1`: "12"},
		Boolean: {`true`: "1", `false`: "0", `1`: poison, `"true"`: poison},
		Timestamp: {`"2026-11-21T06:00:00Z"`: "2026-11-21T06:00:00Z", `"2026-11-21T07:30:00.123456789+01:30"`: "2026-11-21T06:00:00.123456Z", `1700000000123`: "2023-11-14T22:13:20.123Z",
			`1700000000123.25`: "2023-11-14T22:13:20.12325Z", `-1`: "1969-12-31T23:59:59.999Z", `"2026-11-21"`: poison, `"2026-02-30T00:00:00Z"`: poison, `1e300`: poison, `true`: poison},
		JSON: {`{"a": [1, "x"]}`: `{"a": [1, "x"]}`, `5`: "5", `"x"`: `"x"`, `"\u0000"`: poison, `null`: "NULL"},
	} {
		facts := Facts{Columns: []Column{{Name: "c", Type: kind, From: []string{"a"}}}}
		for text, want := range cases {
			row, err := rowOf(facts, `{"b": 1, "a": `+text+`}`)
			got := poison
			if err == nil {
				got = shown(kind, row.Values[0])
			} else if !strings.Contains(err.Error(), `column "c"`) && !strings.Contains(err.Error(), "no JSON document") {
				t.Error(err)
			}
			if got != want {
				t.Errorf("%s of %s: %s, not %s (%v)", kind, text, got, want, err)
			}
		}
	}
}

func TestColumnsAreFoundByTheirPaths(t *testing.T) {
	facts := Facts{Columns: []Column{
		{Name: "id", Type: Int64, From: []string{"customer", "id"}},
		{Name: "customer", Type: JSON, From: []string{"customer"}},
		{Name: "city", Type: Text, From: []string{"customer", "address", "city"}},
		{Name: "again", Type: Int64, From: []string{"customer", "id"}},
	}}
	for value, want := range map[string]string{
		`{"customer": {"id": 7, "address": {"city": "Bern"}}}`:            `7 {"id": 7, "address": {"city": "Bern"}} Bern 7`,
		`{"other": {"id": 7}, "id": 8}`:                                   `NULL NULL NULL NULL`,
		`{"customer": null}`:                                              `NULL NULL NULL NULL`,
		`{"customer": {"address": null, "id": null}}`:                     `NULL {"address": null, "id": null} NULL NULL`,
		`{"customer": {"id": 1, "id": 2}}`:                                `2 {"id": 1, "id": 2} NULL 2`,
		`{"customer": {"id": 1}, "customer": {"address": {"city": "x"}}}`: `NULL {"address": {"city": "x"}} x NULL`,
		`{"c\u0075stomer": {"id": 3}}`:                                    `3 {"id": 3} NULL 3`,
		``:                                                                `NULL NULL NULL NULL`,
	} {
		row, err := rowOf(facts, value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		var got []string
		for i, column := range facts.Columns {
			got = append(got, shown(column.Type, row.Values[i]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s became %s", value, got)
		}
	}
}

func TestRecordsThatCanHaveNoRowSayWhy(t *testing.T) {
	facts := Facts{Columns: []Column{{Name: "price", Type: Decimal, From: []string{"item", "price"}, Required: true}}}
	for value, want := range map[string]string{
		`{"item": {}}`:                     `column "price": the document has no item.price, and the column is required`,
		`{"item": {"price": null}}`:        "is required",
		``:                                 "is required",
		`{"item": 5}`:                      `item.price leads through 5, which is no object`,
		`{"item": {"price": "much"}}`:      `item.price is "much"; a number of at most 29 digits`,
		`[1]`:                              "no JSON object but [1]",
		`no JSON`:                          "no JSON document",
		`{"item": {"price": 1}`:            "no JSON document",
		`{"item": {"price": 1}} {}`:        "something follows",
		`{"item": {"price": 1}, "x": tru}`: "no JSON document",
		"{\"item\": {\"price\": 1, \"\xff": "no JSON document",
	} {
		if _, err := rowOf(facts, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestTheDocumentIsKeptWhereTheTableHasIt(t *testing.T) {
	columns := []Column{{Name: "a", Type: Int64, From: []string{"a"}}}
	for value, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, `{"a":1,"b":"\u0000"}`: `{"base64": "eyJhIjoxLCJiIjoiXHUwMDAwIn0="}`, ``: ""} {
		row, err := rowOf(Facts{Columns: columns, Document: true}, value)
		if err != nil || string(row.Doc) != want {
			t.Errorf("%q: %s %v", value, row.Doc, err)
		}
	}
	if row, err := rowOf(Facts{Columns: columns}, `{"a": 1}`); err != nil || row.Doc != nil {
		t.Error(row, err)
	}
}

// Rows of a batch share memory: none may see another's.
func TestRowsOfABatchKeepTheirValues(t *testing.T) {
	batch := NewReader(Facts{Columns: []Column{{Name: "s", Type: Text, From: []string{"s"}}, {Name: "d", Type: Decimal, From: []string{"d"}}}}).Batch(1)
	var rows []Row
	for n := range 2000 {
		row, err := batch.Row(&kgo.Record{Value: fmt.Appendf(nil, `{"d": %d.5, "s": "text %d"}`, n, n)})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	for n, row := range rows {
		if got := string(row.Values[0].Bytes) + " " + string(row.Values[1].Bytes); got != fmt.Sprintf("text %d %d.5", n, n) {
			t.Fatal(n, got)
		}
	}
}

// Whatever the number: what comes out is the same number, and refused is only what does not fit.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{"0", "-1.50", "1e5", "12.5e-3", "9223372036854775807", "1e-9", "100e-11"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, fits := parseExact([]byte(text))
		if !json.Valid([]byte(text)) || !strings.ContainsAny(text[:1], "-0123456789") || len(text) > 60 || strings.ContainsAny(text, " \t\r\n") {
			if fits && !json.Valid([]byte(text)) {
				t.Fatalf("%q passes", text)
			}
			return
		}
		if !fits {
			t.Fatalf("%q does not pass", text)
		}
		if number.exponent > 100 || number.exponent < -100 {
			return
		}
		want, _ := new(big.Rat).SetString(text)
		if out, fits := number.appendDecimal(nil); fits {
			if got, ok := new(big.Rat).SetString(string(out)); !ok || got.Cmp(want) != 0 {
				t.Fatalf("%q became %s", text, out)
			}
		} else if scaled := new(big.Rat).Mul(want, big.NewRat(1_000_000_000, 1)); scaled.IsInt() && len(new(big.Int).Abs(scaled.Num()).String()) <= 38 {
			t.Fatalf("%q was refused", text)
		}
		whole, fits := number.whole(0)
		if isInt64 := want.IsInt() && want.Num().IsInt64(); fits != isInt64 || (fits && whole != want.Num().Int64()) {
			t.Fatalf("%q became %d, %v", text, whole, fits)
		}
	})
}

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
		row, err := rowOf(Facts{Document: true}, value)
		want := value
		if wrapped {
			want = `{"base64": "` + base64.StdEncoding.EncodeToString([]byte(value)) + `"}`
		}
		if err != nil || string(row.Doc) != want {
			t.Errorf("%q became %q, %v", value, row.Doc, err)
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

func BenchmarkRows(b *testing.B) {
	facts := Facts{Columns: []Column{{Name: "n", Type: Int64, From: []string{"n"}}, {Name: "text", Type: Text, From: []string{"text"}}}}
	reader := NewReader(facts)
	record := &kgo.Record{Value: fmt.Appendf(nil, `{"n": 123456, "text": "%032d"}`, 5)}
	b.SetBytes(int64(len(record.Value)))
	for b.Loop() {
		batch := reader.Batch(1000)
		for range 1000 {
			if _, err := batch.Row(record); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "rows/s")
}
