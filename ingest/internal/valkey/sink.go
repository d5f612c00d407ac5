// Package valkey is Valkey (and Redis 7) as a sink: one stream per table and partition, written with its offset by one script.
//
// Keys:
//
//	mesh:{<table>:<partition>}  stream; the id of an entry is <offset>-1, its fields are ts, key, the columns and doc, those that are not null
//	mesh_offsets                hash: <topic>/<partition> → next offset
//	mesh_shards                 hash: <shard> → {"source": "kafka" or the id of a snapshot, "since": RFC 3339}
//	mesh_cuts:<snapshot>        hash: <topic>/<partition> → first offset that is not in the snapshot
//
// Ids of a stream only rise, so that a row can never be there twice, whoever writes it.
package valkey

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	offsetsKey = "mesh_offsets"
	shardsKey  = "mesh_shards"
)

func init() {
	sink.Register("valkey", open)
}

type database struct {
	client *redis.Client
}

func open(settings sink.Settings) (sink.Sink, error) {
	number, err := strconv.Atoi(settings.Database)
	if settings.Database != "" && (err != nil || number < 0) {
		return nil, fmt.Errorf("database.database: %q: the number of a database is needed, usually 0", settings.Database)
	}
	options := &redis.Options{
		Addr:     net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port)),
		Username: settings.User,
		Password: settings.Password,
		DB:       number,
		// What failed is tried again by whoever knows whether that is safe.
		MaxRetries:      -1,
		DialTimeout:     10 * time.Second,
		ReadTimeout:     settings.Timeout,
		WriteTimeout:    settings.Timeout,
		PoolSize:        settings.Writers + 1,
		DisableIdentity: true,
		ClientName:      "mesh-ingest",
		Protocol:        2,
		ConnMaxIdleTime: -1,
		// Of Redis Enterprise alone: asking for them writes a line per connection into our log.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if settings.TLS {
		options.TLSConfig = &tls.Config{ServerName: settings.Host, MinVersion: tls.VersionTLS12}
		if settings.CAFile != "" {
			pem, err := os.ReadFile(settings.CAFile)
			if err != nil {
				return nil, fmt.Errorf("database.tls.caFile: %w", err)
			}
			options.TLSConfig.RootCAs = x509.NewCertPool()
			if !options.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("database.tls.caFile: %s has no certificate in PEM", settings.CAFile)
			}
		}
	}
	return &database{client: redis.NewClient(options)}, nil
}

// unfit is a server whose configuration would lose rows.
type unfit struct{ reason string }

func (u *unfit) Error() string { return u.reason }

// Prepare has nothing to create: keys come with their first entry. What is there must be of the right kind.
func (d *database) Prepare(ctx context.Context, createTables []string, tables []table.Facts) error {
	if len(createTables) > 0 {
		return &unfit{"createTables: valkey has no tables, an empty list is expected"}
	}
	// A user without the right to ask is one more reason to believe that somebody thought about it.
	if policy, err := d.client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil && policy["maxmemory-policy"] != "" && policy["maxmemory-policy"] != "noeviction" {
		return &unfit{fmt.Sprintf("maxmemory-policy is %s: a full server would throw rows away. Set it to noeviction", policy["maxmemory-policy"])}
	} else if err != nil && !isAnswer(err) {
		return err
	}
	for key, wanted := range map[string]string{offsetsKey: "hash", shardsKey: "hash"} {
		if err := d.checkKind(ctx, key, wanted); err != nil {
			return err
		}
	}
	for _, facts := range tables {
		names := facts.ColumnNames()
		if slices.Contains(names[4:], "ts") {
			return &sink.Misfit{Table: facts.Name, Differences: []string{`column "ts": every entry has a field of this name`}}
		}
	}
	return nil
}

func (d *database) checkKind(ctx context.Context, key, wanted string) error {
	kind, err := d.client.Type(ctx, key).Result()
	if err == nil && kind != "none" && kind != wanted {
		err = &sink.Misfit{Table: key, Differences: []string{fmt.Sprintf("key: %s found, %s expected", kind, wanted)}}
	}
	return err
}

// HeldShards are the fields of mesh_shards.
func (d *database) HeldShards(ctx context.Context) ([]int, error) {
	fields, err := d.client.HKeys(ctx, shardsKey).Result()
	if err != nil {
		return nil, err
	}
	shards := make([]int, 0, len(fields))
	for _, field := range fields {
		shard, err := strconv.Atoi(field)
		if err != nil {
			return nil, &sink.Misfit{Table: shardsKey, Differences: []string{fmt.Sprintf("field %q: the number of a shard is expected", field)}}
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	return shards, nil
}

// MarkShards sets those that are missing.
func (d *database) MarkShards(ctx context.Context, shards []int, source string) error {
	value, err := json.Marshal(struct {
		Source string `json:"source"`
		Since  string `json:"since"`
	}{source, time.Now().UTC().Format(timeFormat)})
	if err != nil || len(shards) == 0 {
		return err
	}
	_, err = d.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, shard := range shards {
			pipe.HSetNX(ctx, shardsKey, strconv.Itoa(shard), value)
		}
		return nil
	})
	return err
}

// ReadOffsets reads all of mesh_offsets.
func (d *database) ReadOffsets(ctx context.Context) (map[sink.Partition]int64, error) {
	fields, err := d.client.HGetAll(ctx, offsetsKey).Result()
	if err != nil {
		return nil, err
	}
	offsets := make(map[sink.Partition]int64, len(fields))
	for field, value := range fields {
		// Topics have no slash.
		topic, number, _ := strings.Cut(field, "/")
		id, errID := strconv.ParseInt(number, 10, 32)
		next, errNext := strconv.ParseInt(value, 10, 64)
		if errID != nil || errNext != nil {
			return nil, &sink.Misfit{Table: offsetsKey, Differences: []string{fmt.Sprintf("field %q: %q found, topic/partition with an offset expected", field, value)}}
		}
		offsets[sink.Partition{Topic: topic, ID: int32(id)}] = next
	}
	return offsets, nil
}

// Close ends the connections.
func (d *database) Close() { _ = d.client.Close() }

// Classify goes by the first word of the answer. There is no Poison: a stream takes whatever a record of Kafka can be.
func (d *database) Classify(err error) sink.Class {
	var bad *unfit
	var certificate *tls.CertificateVerificationError
	switch text := answerOf(err); {
	case errors.As(err, &bad) || errors.As(err, &certificate):
		return sink.Setup
	case strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "NOPERM"):
		return sink.Credentials
	case strings.HasPrefix(text, "WRONGTYPE") || strings.HasPrefix(text, "READONLY") || strings.HasPrefix(text, "MESHORDER"):
		return sink.Setup
	}
	return sink.Transient
}

func isAnswer(err error) bool { return answerOf(err) != "" }

// answerOf is what the server said, or nothing where the error is not the server's.
func answerOf(err error) string {
	var answer redis.Error
	if errors.As(err, &answer) && !errors.Is(err, redis.Nil) {
		return answer.Error()
	}
	return ""
}
