// Package mysql is SingleStore (and MariaDB, MySQL, MemSQL) as a sink: rows by INSERT of many rows, with their offset in one transaction.
package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/go-sql-driver/mysql"
)

func init() {
	sink.Register("singlestore", open)
}

type database struct {
	pool *sql.DB
}

func open(settings sink.Settings) (sink.Sink, error) {
	config, err := configOf(settings)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	pool := sql.OpenDB(&session{Connector: connector, timeout: settings.Timeout})
	pool.SetMaxOpenConns(settings.Writers + 1)
	pool.SetMaxIdleConns(settings.Writers + 1)
	return &database{pool: pool}, nil
}

func configOf(settings sink.Settings) (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd = settings.User, settings.Password
	config.Net, config.Addr = "tcp", net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port))
	config.DBName = settings.Database
	config.Timeout = 10 * time.Second
	// Ask the server how large a statement may be.
	config.MaxAllowedPacket = 0
	config.InterpolateParams = true
	// Rows that were found count as affected, also where nothing changed.
	config.ClientFoundRows = true
	// SingleStore and MariaDB both know it; every text of ours is UTF-8.
	config.Collation = "utf8mb4_bin"
	config.Logger = &mysql.NopLogger{}
	if settings.TLS {
		config.TLS = &tls.Config{ServerName: settings.Host, MinVersion: tls.VersionTLS12}
		if settings.CAFile != "" {
			pem, err := os.ReadFile(settings.CAFile)
			if err != nil {
				return nil, fmt.Errorf("database.tls.caFile: %w", err)
			}
			config.TLS.RootCAs = x509.NewCertPool()
			if !config.TLS.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("database.tls.caFile: %s has no certificate in PEM", settings.CAFile)
			}
		}
	}
	return config, nil
}

// session prepares every connection.
type session struct {
	driver.Connector
	timeout time.Duration
}

// Connect opens a connection and sets what its transactions rely on.
func (s *session) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	statements := []struct {
		text string
		// optional: a server that does not know it does without.
		optional bool
	}{
		// A value that does not fit is an error, never cut off; backslashes escape, and " is no quote of names.
		{"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'", true},
		{"SET SESSION time_zone = '+00:00'", true},
		// MariaDB's default locks gaps, so that two partitions that begin at once would wait for each other; SingleStore has only this one.
		{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", true},
		// A connection whose other end vanished would keep the row of offsets locked. MariaDB's name.
		{fmt.Sprintf("SET SESSION idle_transaction_timeout = %d", int(max(s.timeout, time.Second).Seconds())), true},
	}
	for _, statement := range statements {
		_, err := conn.(driver.ExecerContext).ExecContext(ctx, statement.text, nil)
		var answer *mysql.MySQLError
		if err != nil && (!statement.optional || !errors.As(err, &answer)) {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// HeldShards are the shards in mesh_shards.
func (d *database) HeldShards(ctx context.Context) ([]int, error) {
	rows, err := d.pool.QueryContext(ctx, "SELECT shard FROM mesh_shards ORDER BY shard")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var shards []int
	for rows.Next() {
		var shard int
		if err := rows.Scan(&shard); err != nil {
			return nil, err
		}
		shards = append(shards, shard)
	}
	return shards, rows.Err()
}

// MarkShards inserts those that are missing, in one statement.
func (d *database) MarkShards(ctx context.Context, shards []int, source string) error {
	if len(shards) == 0 {
		return nil
	}
	var values []string
	var args []any
	for _, shard := range shards {
		values, args = append(values, "(?, ?)"), append(args, shard, source)
	}
	// What is there stays as it is. Not INSERT IGNORE, which would turn every other error into a warning.
	_, err := d.pool.ExecContext(ctx, "INSERT INTO mesh_shards (shard, source) VALUES "+strings.Join(values, ", ")+
		" ON DUPLICATE KEY UPDATE shard = VALUES(shard)", args...)
	return err
}

// ReadOffsets reads all of mesh_offsets.
func (d *database) ReadOffsets(ctx context.Context) (map[sink.Partition]int64, error) {
	rows, err := d.pool.QueryContext(ctx, "SELECT `topic`, `partition`, next_offset FROM mesh_offsets")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	offsets := map[sink.Partition]int64{}
	for rows.Next() {
		var partition sink.Partition
		var next int64
		if err := rows.Scan(&partition.Topic, &partition.ID, &next); err != nil {
			return nil, err
		}
		offsets[partition] = next
	}
	return offsets, rows.Err()
}

// Begin starts a transaction.
func (d *database) Begin(ctx context.Context, partition sink.Partition, facts table.Facts) (sink.Tx, error) {
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &transaction{tx: tx, partition: partition, facts: facts}, nil
}

// Close ends the connections.
func (d *database) Close() { _ = d.pool.Close() }
