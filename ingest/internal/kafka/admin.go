package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Setup is what somebody has to put right in Kafka or in the settings.
type Setup struct{ reason string }

// Error says what, and the way out.
func (s *Setup) Error() string { return s.reason }

// Lost means that Kafka does not have what should be read next.
type Lost struct{ reason string }

// Error names partition and offsets, and the statement that goes on without them.
func (l *Lost) Error() string { return l.reason }

// Admin asks about topics and sets records aside.
type Admin struct {
	client *kgo.Client
	// mechanism of SASL, for errors.
	mechanism string
}

// NewAdmin makes a client without connecting.
func NewAdmin(connection []kgo.Opt, mechanism string) (*Admin, error) {
	client, err := kgo.NewClient(append(slices.Clone(connection),
		// So that the reason comes back, and not only that time ran out.
		kgo.RetryTimeout(8*time.Second),
		// A record that is set aside has passed the brokers' own limit already; headers come on top.
		kgo.ProducerBatchMaxBytes(64<<20),
		kgo.BrokerMaxWriteBytes(100<<20),
	)...)
	if err != nil {
		return nil, err
	}
	return &Admin{client, mechanism}, nil
}

// Close ends the connections.
func (a *Admin) Close() { a.client.Close() }

// CheckTopics returns a *Setup where a topic is missing or has another number of partitions than given (0: any).
func (a *Admin) CheckTopics(ctx context.Context, partitions map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	for topic := range partitions {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, asked)
	}
	answer, err := request.RequestWith(ctx, a.client)
	if err != nil {
		return a.credentials(fmt.Errorf("asking Kafka for topics: %w", err))
	}
	var problems []string
	for _, topic := range answer.Topics {
		if topic.Topic == nil {
			continue
		}
		want := partitions[*topic.Topic]
		switch err := kerr.ErrorForCode(topic.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			problems = append(problems, fmt.Sprintf("topic %q does not exist. Create it%s, or correct its name in the settings", *topic.Topic, withPartitions(want)))
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			problems = append(problems, fmt.Sprintf("topic %q may not be described by this user. Grant it DESCRIBE and READ", *topic.Topic))
		case err != nil && !errors.Is(err, kerr.LeaderNotAvailable):
			return fmt.Errorf("asking Kafka for topic %q: %w", *topic.Topic, err)
		case err == nil && want > 0 && len(topic.Partitions) != want:
			problems = append(problems, fmt.Sprintf("topic %q has %d partitions, and the settings say %d: another number sends keys to other shards. Make a new topic with %d partitions, "+
				"fill it from the old one, and ingest that instead", *topic.Topic, len(topic.Partitions), want, want))
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &Setup{strings.Join(problems, "; ")}
	}
	return nil
}

func withPartitions(count int) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprintf(" with %d partitions", count)
}

// credentials makes a *Setup of what only another password can cure.
func (a *Admin) credentials(err error) error {
	for _, code := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.ClusterAuthorizationFailed} {
		if errors.Is(err, code) {
			return &Setup{fmt.Sprintf("Kafka refuses the credentials: %v", err)}
		}
	}
	if a.mechanism != "" && errors.Is(err, io.EOF) {
		// Some brokers only hang up.
		return fmt.Errorf("Kafka ends the connection while it is being authenticated; perhaps it refuses the credentials, or does not speak %s on this port: %w", a.mechanism, err)
	}
	return err
}

// Ends are the offsets up to which partitions can be read now: the end of the log, or the oldest transaction that is still open.
func (a *Admin) Ends(ctx context.Context, partitions []sink.Partition) (map[sink.Partition]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	asked := map[string]map[int32]int64{}
	for _, partition := range partitions {
		if asked[partition.Topic] == nil {
			asked[partition.Topic] = map[int32]int64{}
		}
		asked[partition.Topic][partition.ID] = oldest
	}
	found, err := listOffsets(ctx, a.client, asked, latest)
	if err != nil {
		return nil, err
	}
	ends := map[sink.Partition]int64{}
	for topic, offsets := range found {
		for id, end := range offsets {
			ends[sink.Partition{Topic: topic, ID: id}] = end
		}
	}
	return ends, nil
}

// SetAside produces a copy of the record with headers that say where it was and why it is not there.
func (a *Admin) SetAside(ctx context.Context, topic string, record *kgo.Record, reason string) error {
	headers := append([]kgo.RecordHeader(nil), record.Headers...)
	for _, header := range [][2]string{
		{"mesh_topic", record.Topic},
		{"mesh_partition", fmt.Sprint(record.Partition)},
		{"mesh_offset", fmt.Sprint(record.Offset)},
		{"mesh_error", reason},
	} {
		headers = append(headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
	}
	dead := &kgo.Record{Topic: topic, Key: record.Key, Value: record.Value, Headers: headers}
	return a.client.ProduceSync(ctx, dead).FirstErr()
}
