// Package postgres writes stretches of Kafka's log and their offsets into PostgreSQL, each in one transaction.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"compute-mesh.dev/ingest/internal/stop"
	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/warpstreamlabs/bento/public/service"
)

func init() {
	err := service.RegisterBatchOutput("mesh_postgres", spec(),
		func(conf *service.ParsedConfig, resources *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			o, err := newOutput(conf, resources)
			if err != nil {
				return nil, service.BatchPolicy{}, 0, err
			}
			return o, service.BatchPolicy{}, o.maxInFlight, nil
		})
	if err != nil {
		panic(err)
	}
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Summary("Rows and their next offset in one transaction of PostgreSQL, by COPY. Takes the input mesh_kafka.").
		Description("Tables have the columns part int, off bigint, ts timestamptz, key text, doc jsonb and the primary key (part, off); offsets are in " +
			"mesh_offsets (topic, partition, next_offset, updated). A batch is tried until it is written; where that can never be, the process stops. Metrics: " +
			"mesh_ingest_rows, mesh_ingest_batches, mesh_ingest_bytes, mesh_ingest_skipped_rows, mesh_ingest_dead_letters, mesh_ingest_retries, " +
			"mesh_ingest_transaction_seconds and, by topic and partition, mesh_ingest_next_offset; mesh_ingest_lag comes from the input.").
		Field(service.NewStringField("dsn").Description("A URL or keywords of libpq. What it leaves out comes from PGUSER, PGPASSWORD and so on.").Secret()).
		Field(service.NewStringMapField("tables").Description("Topic to table.")).
		Field(service.NewStringField("dead_letter").Default("").Description("Topic for records that the database will never take. Headers mesh_topic, " +
			"mesh_partition, mesh_offset and mesh_error say what they were. Without it the process stops at such a record.")).
		Field(service.NewIntField("max_in_flight").Default(2).Description("Most transactions at once, each of another partition.")).
		Field(service.NewDurationField("transaction_timeout").Default("60s").Description("A transaction that takes longer is tried again."))
}

// output writes batches through a pool of as many connections as batches may be under way.
type output struct {
	config      *pgxpool.Config
	tables      map[string]string
	deadLetter  string
	maxInFlight int
	timeout     time.Duration
	// pause is the wait before the second try; it doubles up to 5 s.
	pause   time.Duration
	log     *service.Logger
	metrics *metrics
	fatal   func(error)

	pool *pgxpool.Pool
}

func newOutput(conf *service.ParsedConfig, resources *service.Resources) (*output, error) {
	o := &output{pause: 100 * time.Millisecond, log: resources.Logger(), metrics: newMetrics(resources.Metrics())}
	o.fatal = func(err error) { stop.Process(o.log, err) }
	dsn, err := conf.FieldString("dsn")
	if err != nil {
		return nil, err
	}
	if o.config, err = pgxpool.ParseConfig(dsn); err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	if o.tables, err = conf.FieldStringMap("tables"); err != nil {
		return nil, err
	}
	if o.deadLetter, err = conf.FieldString("dead_letter"); err != nil {
		return nil, err
	}
	if o.maxInFlight, err = conf.FieldInt("max_in_flight"); err != nil {
		return nil, err
	}
	if o.maxInFlight < 1 || o.maxInFlight > 64 {
		return nil, fmt.Errorf("max_in_flight: %d: 1 to 64 is allowed", o.maxInFlight)
	}
	if o.timeout, err = conf.FieldDuration("transaction_timeout"); err != nil {
		return nil, err
	}
	if o.timeout < time.Second {
		return nil, fmt.Errorf("transaction_timeout: %v: at least 1s is needed", o.timeout)
	}
	o.config.MaxConns = int32(o.maxInFlight)
	o.config.ConnConfig.RuntimeParams["application_name"] = "mesh-ingest"
	// A connection whose other end vanished would keep the row of offsets locked.
	o.config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(o.timeout.Milliseconds(), 10)
	return o, nil
}

// Connect waits for a database whose tables fit. Bento calls it again after an error.
func (o *output) Connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if o.pool == nil {
		// Without connecting: the pool does that when it is asked.
		pool, err := pgxpool.NewWithConfig(context.Background(), o.config)
		if err != nil {
			return err
		}
		o.pool = pool
	}
	err := checkTables(ctx, o.pool, o.tables)
	if stopping(err) {
		o.fatal(err)
	}
	return err
}

// WriteBatch returns when the batch is committed, however long that takes; with an error only when the process ends. Never giving a batch back keeps
// the order: Bento would put it behind its successors.
func (o *output) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	piece, rows, err := rowsOf(batch)
	if err == nil && o.tables[piece.Topic] == "" {
		err = fmt.Errorf("tables: no table for topic %q", piece.Topic)
	}
	if err != nil {
		o.fatal(err)
		return err
	}
	careful := false
	for pause := o.pause; ; {
		err := o.attempt(ctx, piece, rows, careful)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isData(err) && !careful:
			o.log.Warnf("%v: some rows were rejected, looking for them: %v", piece, err)
			careful = true
			continue
		case stopping(err):
			o.fatal(err)
			return err
		}
		o.metrics.retries.Incr(1)
		o.log.Errorf("%v is tried again in %v: %v", piece, pause, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (o *output) attempt(ctx context.Context, piece *stretch.Stretch, rows []row, careful bool) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	begin := time.Now()
	done, err := o.apply(ctx, piece, rows, careful)
	if err == nil {
		o.metrics.note(piece, done, time.Since(begin))
	}
	return err
}

// Close ends the connections.
func (o *output) Close(context.Context) error {
	if o.pool != nil {
		o.pool.Close()
	}
	return nil
}

// stopping says that only a new start can help. A table that is gone means that the database is another one than at the start.
func stopping(err error) bool {
	var refused *refusal
	return errors.As(err, &refused) || sqlState(err) == "42P01"
}
