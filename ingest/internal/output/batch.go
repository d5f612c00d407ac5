package output

import (
	"context"
	"errors"
	"fmt"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

// stops says that trying the same again cannot help.
func stops(err error, class sink.Class) bool {
	var poisoned *sink.Poisoned
	return errors.As(err, &poisoned) || class == sink.Gone || class == sink.Setup || class == sink.Credentials
}

// batchOf checks that the messages are one whole stretch of the mesh's own input and makes its rows.
//
// A stretch that lost, gained or mixed messages on its way would count as written without some of its rows.
func (o *Output) batchOf(messages service.MessageBatch) (*sink.Batch, error) {
	piece, records, err := recordsOf(messages)
	if err != nil {
		return nil, err
	}
	reader := o.config.Tables[piece.Topic]
	if reader == nil {
		return nil, fmt.Errorf("there is no table for topic %q", piece.Topic)
	}
	batch := &sink.Batch{Stretch: piece, Facts: reader.Facts()}
	if o.config.SetAside != nil {
		batch.SetAside = func(ctx context.Context, bad sink.Rejection) error {
			if err := o.config.SetAside(ctx, bad.Record, bad.Reason.Error()); err != nil {
				return err
			}
			o.config.Log.Warn(fmt.Sprintf("%s/%d offset %d was set aside: %v", piece.Topic, piece.Partition, bad.Record.Offset, bad.Reason))
			return nil
		}
	}
	rows := reader.Batch(len(records))
	for _, record := range records {
		row, err := rows.Row(record)
		if err != nil {
			batch.Rejected = append(batch.Rejected, sink.Rejection{Record: record, Reason: err})
			continue
		}
		batch.Rows = append(batch.Rows, row)
	}
	return batch, nil
}

func recordsOf(messages service.MessageBatch) (*stretch.Stretch, []*kgo.Record, error) {
	var piece *stretch.Stretch
	records := make([]*kgo.Record, 0, len(messages))
	last := int64(-1)
	for _, message := range messages {
		entry := stretch.Of(message.Context())
		if entry == nil {
			return nil, nil, errors.New("a message came from elsewhere than the mesh's own input")
		}
		if piece == nil {
			piece = entry.Stretch
		} else if piece != entry.Stretch {
			return nil, nil, fmt.Errorf("%v and %v arrived in one batch", piece, entry.Stretch)
		}
		if entry.Record == nil {
			continue
		}
		if entry.Record.Offset <= last {
			return nil, nil, fmt.Errorf("%v: offset %d arrived after offset %d", piece, entry.Record.Offset, last)
		}
		last = entry.Record.Offset
		records = append(records, entry.Record)
	}
	if piece == nil {
		return nil, nil, errors.New("an empty batch arrived")
	}
	if len(records) != piece.Records {
		return nil, nil, fmt.Errorf("%v: %d of %d records arrived", piece, len(records), piece.Records)
	}
	return piece, records, nil
}
