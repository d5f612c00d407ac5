// Package boot runs ingest for as long as the pod lives: it waits for the database, prepares it, reads where it is, and streams from there; whatever
// ends the stream leads back to the beginning.
package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/kafka"
	"compute-mesh.dev/ingest/internal/ready"
	"compute-mesh.dev/ingest/internal/settings"
	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Timing says how often things are looked at.
type Timing struct {
	// Retry is the first wait after something passing, RetryMost the longest one. What somebody has to put right is waited for RetrySlow.
	Retry, RetryMost, RetrySlow time.Duration
	// Database is how often mesh_shards and mesh_offsets are compared with what is known, Ends how often Kafka is asked for the ends of the
	// partitions, Topics for their number.
	Database, Ends, Topics time.Duration
	// Transaction bounds one transaction.
	Transaction time.Duration
}

// DefaultTiming is for production.
var DefaultTiming = Timing{
	Retry: 500 * time.Millisecond, RetryMost: 15 * time.Second, RetrySlow: 30 * time.Second,
	Database: 5 * time.Second, Ends: 2 * time.Second, Topics: time.Minute,
	Transaction: time.Minute,
}

// writers is how many transactions run at once.
const writers = 2

// Ingest is the whole program between settings and HTTP.
type Ingest struct {
	settings   *settings.Settings
	node       *settings.Node
	timing     Timing
	log        *slog.Logger
	state      *ready.State
	metrics    *ready.Metrics
	sink       sink.Sink
	connection []kgo.Opt
	admin      *kafka.Admin
	tables     map[string]*table.Reader
}

// New opens nothing yet that needs a network. Its error is one that only other settings cure.
func New(s *settings.Settings, node *settings.Node, timing Timing, log *slog.Logger) (*Ingest, error) {
	i := &Ingest{settings: s, node: node, timing: timing, log: log, state: ready.NewState(s.MaxLagRecords), tables: map[string]*table.Reader{}}
	i.metrics = ready.NewMetrics(i.state)
	for name, topic := range s.Topics {
		i.tables[name] = table.NewReader(topic.Table)
	}
	open, known := sink.Engine(s.Database.Engine)
	if !known {
		return nil, fmt.Errorf("database.engine: %q is unknown", s.Database.Engine)
	}
	var err error
	if i.sink, err = open(sink.Settings{
		Host: s.Database.Host, Port: s.Database.Port, Database: s.Database.Name, User: s.Database.User, Password: s.Database.Password,
		TLS: s.Database.TLS, CAFile: s.Database.CAFile, Timeout: timing.Transaction, Writers: writers,
	}); err != nil {
		return nil, err
	}
	if i.connection, err = kafka.Connection(s); err != nil {
		return nil, err
	}
	if i.admin, err = kafka.NewAdmin(i.connection, s.Kafka.Mechanism); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return i, nil
}

// Handler serves /ping, /ready and /metrics.
func (i *Ingest) Handler() http.Handler { return ready.Handler(i.state, i.metrics) }

// Close ends all connections.
func (i *Ingest) Close() {
	i.admin.Close()
	i.sink.Close()
}

// Run returns nil when the context ends, and an error only for a record that can never be stored and that no topic takes.
func (i *Ingest) Run(ctx context.Context) error {
	i.log.Info(fmt.Sprintf("mesh node %s with shards %v, shard map version %s, database %s", i.node.Name, i.node.Shards, i.settings.ShardMapVersion, i.where()))
	pause := i.timing.Retry
	for ctx.Err() == nil {
		begin := time.Now()
		err := i.live(ctx)
		var poisoned *sink.Poisoned
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &poisoned):
			i.state.Halt(err.Error())
			return err
		case err == nil:
			// The shards changed.
			continue
		}
		if time.Since(begin) > time.Minute {
			pause = i.timing.Retry
		}
		wait := pause
		if i.isSetup(err) {
			wait = max(wait, i.timing.RetrySlow)
		}
		reason := oneLine(err)
		i.state.Halt(reason)
		i.log.Error(fmt.Sprintf("%s; the next try is in %v", reason, wait))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		pause = min(2*pause, i.timing.RetryMost)
	}
	return nil
}

// isSetup says that somebody has to act before another try can succeed.
func (i *Ingest) isSetup(err error) bool {
	var setup *kafka.Setup
	var lost *kafka.Lost
	if errors.As(err, &setup) || errors.As(err, &lost) {
		return true
	}
	class := sink.ClassOf(i.sink, err)
	return class == sink.Setup || class == sink.Credentials
}

func (i *Ingest) where() string {
	d := i.settings.Database
	return fmt.Sprintf("%s %s:%d/%s", d.Engine, d.Host, d.Port, d.Name)
}

// databaseError says which database, and what kind of trouble it is.
func (i *Ingest) databaseError(err error) error {
	switch {
	case err == nil:
		return nil
	case sink.ClassOf(i.sink, err) == sink.Credentials:
		return fmt.Errorf("the database %s refuses user %q: %w", i.where(), i.settings.Database.User, err)
	default:
		return fmt.Errorf("the database %s: %w", i.where(), err)
	}
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
