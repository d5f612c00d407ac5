package output

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

func message(piece *stretch.Stretch, record *kgo.Record) *service.Message {
	return service.NewMessage(nil).WithContext(stretch.With(context.Background(), &stretch.Entry{Stretch: piece, Record: record}))
}

func TestBatchesThatAreNoWholeStretchAreRefused(t *testing.T) {
	piece := &stretch.Stretch{Topic: "t", From: 0, To: 2, Records: 2}
	other := &stretch.Stretch{Topic: "t", From: 2, To: 3, Records: 1}
	a, b := &kgo.Record{Offset: 0}, &kgo.Record{Offset: 1}
	for want, batch := range map[string]service.MessageBatch{
		"1 of 2 records arrived":          {message(piece, a)},
		"offset 0 arrived after offset 0": {message(piece, a), message(piece, a)},
		"offset 0 arrived after offset 1": {message(piece, b), message(piece, a)},
		"arrived in one batch":            {message(piece, a), message(other, b)},
		"came from elsewhere":             {service.NewMessage(nil)},
		"an empty batch":                  {},
	} {
		var failed error
		o := New(context.Background(), &Config{Log: slog.New(slog.DiscardHandler), Fail: func(err error) { failed = err }})
		if err := o.WriteBatch(context.Background(), batch); err == nil || !errors.Is(err, failed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, err, failed)
		}
	}
}

func TestRecordsThatCanHaveNoRowAreKeptApart(t *testing.T) {
	facts := table.Facts{Name: "x", Columns: []table.Column{{Name: "n", Type: table.Int64, From: []string{"n"}, Required: true}}}
	o := New(context.Background(), &Config{Tables: map[string]*table.Reader{"t": table.NewReader(facts)}})
	piece := &stretch.Stretch{Topic: "t", From: 0, To: 2, Records: 2}
	batch, err := o.batchOf(service.MessageBatch{message(piece, &kgo.Record{Value: []byte(`{"n": 1}`)}), message(piece, &kgo.Record{Offset: 1, Value: []byte(`{}`)})})
	if err != nil || len(batch.Rows) != 1 || len(batch.Rejected) != 1 || batch.Rejected[0].Record.Offset != 1 || batch.SetAside != nil {
		t.Errorf("%+v %v", batch, err)
	}
}
