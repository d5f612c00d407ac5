// Package output is what stands between Bento's stream and a sink: batches become rows, and are tried until they are written.
package output

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"compute-mesh.dev/ingest/internal/ready"
	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

// Config of an output.
type Config struct {
	Sink sink.Sink
	// Tables by topic.
	Tables map[string]*table.Reader
	// Timeout of a transaction; one that takes longer is tried again.
	Timeout time.Duration
	// Pause before the second try; it doubles up to 5 s.
	Pause time.Duration
	// SetAside takes records that can never be stored; nil where there is no such place.
	SetAside func(ctx context.Context, record *kgo.Record, reason string) error
	Log      *slog.Logger
	Metrics  *ready.Metrics
	// Fail is told what makes going on impossible.
	Fail func(error)
	// Trouble is told why a partition's rows are not written yet, and nil once they are; nil where nobody listens.
	Trouble func(topic string, partition int32, err error)
}

// Output writes stretches.
type Output struct {
	config *Config
	// life ends when ingest stops: nothing is tried any more.
	life context.Context
}

// New makes an output that works as long as its life.
func New(life context.Context, config *Config) *Output {
	return &Output{config, life}
}

// Connect does nothing: sinks connect as they need to.
func (o *Output) Connect(context.Context) error { return nil }

// Close does nothing: the sink outlives the stream.
func (o *Output) Close(context.Context) error { return nil }

// WriteBatch returns when the batch is committed, however long that takes; with an error only when ingest stops. Never giving a batch back keeps the
// order: Bento would put it behind its successors.
func (o *Output) WriteBatch(ctx context.Context, messages service.MessageBatch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.life, cancel)()
	batch, err := o.batchOf(messages)
	if err != nil {
		o.config.Fail(err)
		return err
	}
	careful := false
	for pause := o.config.Pause; ; {
		err := o.attempt(ctx, batch, careful)
		if err == nil {
			o.trouble(batch, nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		class := sink.ClassOf(o.config.Sink, err)
		isData := class == sink.Poison || class == sink.DocumentLimit
		if isData && !careful {
			o.config.Log.Warn(fmt.Sprintf("%v: some rows were rejected, looking for them: %v", batch.Stretch, err))
			careful = true
			continue
		}
		if stops(err, class) {
			o.config.Fail(err)
			return err
		}
		o.config.Metrics.Retried()
		o.config.Log.Error(fmt.Sprintf("%v is tried again in %v: %v", batch.Stretch, pause, err))
		o.trouble(batch, fmt.Errorf("%v cannot be written: %w", batch.Stretch, err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (o *Output) attempt(ctx context.Context, batch *sink.Batch, careful bool) error {
	ctx, cancel := context.WithTimeout(ctx, o.config.Timeout)
	defer cancel()
	begin := time.Now()
	done, err := sink.Apply(ctx, o.config.Sink, batch, careful)
	if err == nil {
		o.config.Metrics.Wrote(done, time.Since(begin))
	}
	return err
}

func (o *Output) trouble(batch *sink.Batch, err error) {
	if o.config.Trouble != nil {
		o.config.Trouble(batch.Stretch.Topic, batch.Stretch.Partition, err)
	}
}
