package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"compute-mesh.dev/ingest/internal/kafka"
	"compute-mesh.dev/ingest/internal/output"
	"github.com/twmb/franz-go/pkg/kgo"
	_ "github.com/warpstreamlabs/bento/public/components/pure" // what a stream itself is made of
	"github.com/warpstreamlabs/bento/public/service"
)

// stopTimeout bounds the end of a stream. What is still under way then is fenced off by the database's offsets.
const stopTimeout = 10 * time.Second

// stream runs Bento between our input and our output until the life ends.
func (i *Ingest) stream(life context.Context, p *plan, notes *noteBoard, stop context.CancelCauseFunc) error {
	// Components by closure, in an environment of this stream's own: they need what no configuration can say.
	environment := service.NewEnvironment()
	err := environment.RegisterBatchInput("mesh_kafka", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
		return &living{Input: i.newInput(p, stop), life: life}, nil
	})
	if err != nil {
		return err
	}
	err = environment.RegisterBatchOutput("mesh_sink", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			return i.newOutput(life, notes, stop), service.BatchPolicy{}, writers, nil
		})
	if err != nil {
		return err
	}
	builder := environment.NewStreamBuilder()
	builder.SetLogger(quieter(i.log))
	if err := builder.AddInputYAML("mesh_kafka: {}"); err != nil {
		return err
	}
	if err := builder.AddOutputYAML("mesh_sink: {}"); err != nil {
		return err
	}
	stream, err := builder.Build()
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(context.WithoutCancel(life)) }()
	select {
	case err := <-ended:
		if life.Err() != nil {
			return nil
		}
		return fmt.Errorf("the stream ended by itself: %w", errors.Join(err, errors.New("nothing was left to read")))
	case <-life.Done():
	}
	if err := stream.StopWithin(stopTimeout); err != nil {
		i.log.Warn(fmt.Sprintf("the stream did not end cleanly: %v", err))
	}
	return nil
}

func (i *Ingest) newInput(p *plan, stop context.CancelCauseFunc) *kafka.Input {
	return kafka.NewInput(&kafka.Config{
		Connection:  i.connection,
		Starts:      p.starts,
		BatchCount:  i.settings.Batch.Count,
		BatchBytes:  i.settings.Batch.Bytes,
		BatchPeriod: i.settings.Batch.Period,
		BufferBytes: i.settings.BufferBytes,
		Log:         i.log,
		Fail:        stop,
		Began:       i.state.Began,
		Ended:       i.state.Ended,
		Written:     i.state.Written,
		Buffered:    func(bytes int) { i.metrics.Buffered.Set(float64(bytes)) },
	})
}

func (i *Ingest) newOutput(life context.Context, notes *noteBoard, stop context.CancelCauseFunc) *output.Output {
	config := &output.Config{
		Sink:    i.sink,
		Tables:  i.tables,
		Timeout: i.timing.Transaction,
		Pause:   100 * time.Millisecond,
		Log:     i.log,
		Metrics: i.metrics,
		Fail:    stop,
		Trouble: func(topic string, partition int32, err error) {
			notes.put(fmt.Sprintf("writing %s/%d", topic, partition), err)
		},
	}
	if topic := i.settings.DeadLetterTopic; topic != "" {
		config.SetAside = func(ctx context.Context, record *kgo.Record, reason string) error {
			return i.admin.SetAside(ctx, topic, record, reason)
		}
	}
	return output.New(life, config)
}

// living is an input that ends with the life, so that the stream ends without waiting for a batch.
type living struct {
	*kafka.Input
	life context.Context
}

// ReadBatch waits for a batch or for the end of the life.
func (l *living) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	batch, ack, err := l.Input.ReadBatch(ctx)
	if err != nil && l.life.Err() != nil {
		return nil, nil, service.ErrEndOfInput
	}
	return batch, ack, err
}

// quieter leaves out what Bento says about every stream.
func quieter(log *slog.Logger) *slog.Logger {
	return slog.New(&atLeast{Handler: log.Handler(), level: slog.LevelWarn})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled adds the level.
func (a *atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= a.level && a.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the level.
func (a *atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &atLeast{a.Handler.WithAttrs(attrs), a.level}
}

// WithGroup keeps the level.
func (a *atLeast) WithGroup(name string) slog.Handler {
	return &atLeast{a.Handler.WithGroup(name), a.level}
}
