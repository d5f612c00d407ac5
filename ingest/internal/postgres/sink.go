// Package postgres is PostgreSQL as a sink: rows by binary COPY, with their offset in one transaction.
package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func init() {
	sink.Register("postgres", open)
}

type database struct {
	pool *pgxpool.Pool
}

func open(settings sink.Settings) (sink.Sink, error) {
	config, err := poolConfig(settings)
	if err != nil {
		return nil, err
	}
	// Without connecting: the pool does that when it is asked.
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return &database{pool: pool}, nil
}

func poolConfig(settings sink.Settings) (*pgxpool.Config, error) {
	where := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(settings.User, settings.Password),
		Host:     net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port)),
		Path:     "/" + settings.Database,
		RawQuery: "sslmode=disable&connect_timeout=10",
	}
	config, err := pgxpool.ParseConfig(where.String())
	if err != nil {
		return nil, errors.New("database: these settings make no address of PostgreSQL: host, port, database or user cannot be read")
	}
	if settings.TLS {
		secured := &tls.Config{ServerName: settings.Host, MinVersion: tls.VersionTLS12}
		if settings.CAFile != "" {
			pem, err := os.ReadFile(settings.CAFile)
			if err != nil {
				return nil, fmt.Errorf("database.tls.caFile: %w", err)
			}
			secured.RootCAs = x509.NewCertPool()
			if !secured.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("database.tls.caFile: %s has no certificate in PEM", settings.CAFile)
			}
		}
		config.ConnConfig.TLSConfig = secured
	}
	config.MaxConns = int32(settings.Writers + 1)
	config.ConnConfig.RuntimeParams["application_name"] = "mesh-ingest"
	// A connection whose other end vanished would keep the row of offsets locked.
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(settings.Timeout.Milliseconds(), 10)
	return config, nil
}

// HeldShards are the shards in mesh_shards.
func (d *database) HeldShards(ctx context.Context) ([]int, error) {
	rows, err := d.pool.Query(ctx, `SELECT shard FROM mesh_shards ORDER BY shard`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}

// MarkShards inserts those that are missing.
func (d *database) MarkShards(ctx context.Context, shards []int, source string) error {
	_, err := d.pool.Exec(ctx, `INSERT INTO mesh_shards (shard, source) SELECT shard, $2 FROM unnest($1::int[]) AS shard ON CONFLICT DO NOTHING`, shards, source)
	return err
}

// ReadOffsets reads all of mesh_offsets.
func (d *database) ReadOffsets(ctx context.Context) (map[sink.Partition]int64, error) {
	rows, err := d.pool.Query(ctx, `SELECT topic, partition, next_offset FROM mesh_offsets`)
	if err != nil {
		return nil, err
	}
	offsets := map[sink.Partition]int64{}
	var partition sink.Partition
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&partition.Topic, &partition.ID, &next}, func() error {
		offsets[partition] = next
		return nil
	})
	return offsets, err
}

// Begin starts a transaction.
func (d *database) Begin(ctx context.Context, partition sink.Partition, facts table.Facts) (sink.Tx, error) {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return nil, err
	}
	return &transaction{ctx: ctx, tx: tx, partition: partition, facts: facts}, nil
}

// Close ends the connections.
func (d *database) Close() { d.pool.Close() }

// Classify goes by SQLSTATE.
//
// Poison are the classes 22 (data exception), 23 (integrity constraint violation) and 54 (program limit exceeded, for example an index entry that is
// too long), because the same row would be rejected for ever.
func (d *database) Classify(err error) sink.Class {
	var certificate *tls.CertificateVerificationError
	switch code := sqlState(err); {
	case errors.Is(err, errTime):
		return sink.Poison
	case errors.As(err, &certificate):
		return sink.Setup
	case code == "" && err != nil && strings.Contains(err.Error(), "server refused TLS connection"):
		return sink.Setup
	case code == "42P01" || code == "42703":
		return sink.Gone
	case code == "28P01" || code == "28000" || code == "42501":
		return sink.Credentials
	case code == "3D000" || code == "3F000":
		return sink.Setup
	case isDocument(code):
		return sink.DocumentLimit
	case strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") || strings.HasPrefix(code, "54"):
		return sink.Poison
	}
	return sink.Transient
}

// isDocument says that it may have been a document as jsonb that was rejected.
func isDocument(code string) bool {
	switch code {
	case "22003", "22P02", "22P05", "22021", "22032", "54000", "54001":
		return true
	}
	return false
}

func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
