// Package kafka reads fixed partitions of Kafka in stretches that leave nothing out.
package kafka

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/warpstreamlabs/bento/public/service"
)

// settings is what the configuration of the input says, checked.
type settings struct {
	starts        map[string]map[int32]int64
	client        []kgo.Opt
	batchCount    int
	batchBytes    int
	batchPeriod   time.Duration
	bufferedBytes int
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Summary("Fixed partitions of Kafka, without a consumer group, for the output mesh_postgres.").
		Description("Reads committed records only. A partition has one batch under way at a time; while it is written the next one fills up, so batches " +
			"grow with the load. Metadata: kafka_topic, kafka_partition, kafka_offset, kafka_timestamp_unix, kafka_timestamp_unix_ms, and kafka_key where " +
			"the record has one. Processors may change messages, but must neither drop, add nor regroup them.").
		Field(service.NewStringListField("seed_brokers").Description("host:port of the brokers to ask first; commas separate several in one item.")).
		Field(service.NewStringListField("topics").Description("topic:partition:offset, or topic:partition for one that was never read, which then begins at " +
			"its oldest record; commas separate several in one item.")).
		Field(service.NewStringField("client_id").Default("mesh-ingest")).
		Field(service.NewStringField("rack_id").Default("").Description("Zone of the reader, so that the closest replica is read.")).
		Field(service.NewDurationField("fetch_max_wait").Default("500ms")).
		Field(service.NewStringField("fetch_max_partition_bytes").Default("256KiB").Description("Small, so that partitions advance evenly.")).
		Field(service.NewStringField("fetch_max_bytes").Default("16MiB").Description("Most bytes of one answer of a broker.")).
		Field(service.NewStringField("buffered_bytes").Default("64MiB").Description("Records held in memory at most, counted with 512 bytes for each beside its " +
			"content. Nothing more is fetched until the database has taken some. One answer of every broker comes on top.")).
		Field(service.NewObjectField("batching",
			service.NewIntField("count").Default(5000).Description("Most records of a batch."),
			service.NewStringField("byte_size").Default("8MiB").Description("A batch ends with the record that reaches this size."),
			service.NewDurationField("period").Default("200ms").Description("Longest wait for a batch to fill."),
		)).
		Field(service.NewTLSToggledField("tls")).
		Field(service.NewObjectListField("sasl",
			service.NewStringEnumField("mechanism", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
			service.NewStringField("username").Default(""),
			service.NewStringField("password").Default("").Secret(),
		).Optional())
}

func parse(conf *service.ParsedConfig) (*settings, error) {
	s := &settings{}
	brokers, err := conf.FieldStringList("seed_brokers")
	if err != nil {
		return nil, err
	}
	topics, err := conf.FieldStringList("topics")
	if err != nil {
		return nil, err
	}
	if s.starts, err = parseTopics(topics); err != nil {
		return nil, err
	}
	if s.batchCount, err = conf.FieldInt("batching", "count"); err != nil {
		return nil, err
	}
	if s.batchCount < 1 {
		return nil, fmt.Errorf("batching.count: %d: at least 1 is needed", s.batchCount)
	}
	if s.batchPeriod, err = conf.FieldDuration("batching", "period"); err != nil {
		return nil, err
	}
	if s.batchBytes, err = bytesField(conf, "batching", "byte_size"); err != nil {
		return nil, err
	}
	if s.bufferedBytes, err = bytesField(conf, "buffered_bytes"); err != nil {
		return nil, err
	}
	s.client, err = clientOptions(conf, strings.Split(strings.Join(brokers, ","), ","))
	return s, err
}

// clientOptions is everything about the connection; partitions come on top.
func clientOptions(conf *service.ParsedConfig, brokers []string) ([]kgo.Opt, error) {
	clientID, err := conf.FieldString("client_id")
	if err != nil {
		return nil, err
	}
	rack, err := conf.FieldString("rack_id")
	if err != nil {
		return nil, err
	}
	wait, err := conf.FieldDuration("fetch_max_wait")
	if err != nil {
		return nil, err
	}
	partitionBytes, err := bytesField(conf, "fetch_max_partition_bytes")
	if err != nil {
		return nil, err
	}
	fetchBytes, err := bytesField(conf, "fetch_max_bytes")
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID(clientID),
		kgo.Rack(rack),
		kgo.FetchMaxWait(wait),
		kgo.FetchMaxPartitionBytes(int32(partitionBytes)),
		kgo.FetchMaxBytes(int32(max(fetchBytes, partitionBytes))),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Markers of transactions take offsets, too: with them the position reaches the end of the log.
		kgo.KeepControlRecords(),
		// An offset that Kafka does not have is an error, never a jump.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// A record that is set aside has passed the brokers' own limit already; headers come on top.
		kgo.ProducerBatchMaxBytes(64 << 20),
		kgo.BrokerMaxWriteBytes(100 << 20),
	}
	tlsConfig, enabled, err := conf.FieldTLSToggled("tls")
	if err != nil {
		return nil, err
	}
	if enabled {
		options = append(options, tlsOption(tlsConfig))
	}
	mechanisms, err := saslMechanisms(conf)
	if err != nil {
		return nil, err
	}
	return append(options, kgo.SASL(mechanisms...)), nil
}

func tlsOption(config *tls.Config) kgo.Opt {
	return kgo.DialTLSConfig(config)
}

func saslMechanisms(conf *service.ParsedConfig) ([]sasl.Mechanism, error) {
	if !conf.Contains("sasl") {
		return nil, nil
	}
	list, err := conf.FieldObjectList("sasl")
	if err != nil {
		return nil, err
	}
	var mechanisms []sasl.Mechanism
	for _, item := range list {
		name, err := item.FieldString("mechanism")
		if err != nil {
			return nil, err
		}
		user, err := item.FieldString("username")
		if err != nil {
			return nil, err
		}
		password, err := item.FieldString("password")
		if err != nil {
			return nil, err
		}
		switch name {
		case "PLAIN":
			mechanisms = append(mechanisms, plain.Auth{User: user, Pass: password}.AsMechanism())
		case "SCRAM-SHA-256":
			mechanisms = append(mechanisms, scram.Auth{User: user, Pass: password}.AsSha256Mechanism())
		case "SCRAM-SHA-512":
			mechanisms = append(mechanisms, scram.Auth{User: user, Pass: password}.AsSha512Mechanism())
		default:
			return nil, fmt.Errorf("sasl.mechanism: %q: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 is allowed", name)
		}
	}
	return mechanisms, nil
}
