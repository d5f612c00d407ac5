package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

type truthSettings struct {
	target
	cut         string
	at          string
	uncommitted bool
	bucket      time.Duration
	timeout     time.Duration
}

func truthFlags(args []string) (*truthSettings, error) {
	s := &truthSettings{}
	set := flag.NewFlagSet("truth", flag.ContinueOnError)
	s.flags(set)
	set.StringVar(&s.cut, "cut", "", "read each partition up to, not including, an offset: 0=120,1=98 or @file with {\"0\":120}; default: what the log holds now")
	set.StringVar(&s.at, "at", "", "read each partition up to its first record of this time or later, RFC 3339 or milliseconds")
	set.BoolVar(&s.uncommitted, "uncommitted", false, "count records of open and aborted transactions too")
	set.DurationVar(&s.bucket, "bucket", 0, "sums by time in steps of this length; 0 = none")
	set.DurationVar(&s.timeout, "timeout", 5*time.Minute, "an open transaction may keep a cut from being reached; give up after so long")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if s.cut != "" && s.at != "" {
		return nil, errors.New("-cut and -at say the same thing in two ways: give one of them")
	}
	return s, s.check()
}

// errInput is said where no second try can help.
var errInput = errors.New("where to read to")

type truthResult struct {
	Topic string `json:"topic"`
	*totals
	// Cut holds the offset that each partition was read up to.
	Cut     map[int32]int64 `json:"cut"`
	Seconds float64         `json:"seconds"`
}

// reader reads by plain fetch requests: only their answers say how far a partition has been read where the last records are those of an aborted transaction,
// markers, or gone by compaction.
type reader struct {
	settings *truthSettings
	client   *kgo.Client
	topic    kadm.TopicDetail
	// start is where the log begins: retention removes what lies below.
	start map[int32]int64
}

// patience is how long a broker may be away: until then the others have found a new leader for its partitions.
const patience = 30 * time.Second

// truth reads again from the start where a broker goes away meanwhile.
func truth(ctx context.Context, settings *truthSettings) (*truthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, settings.timeout)
	defer cancel()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		result, err := readOnce(ctx, settings)
		var answer *kerr.Error
		final := errors.As(err, &answer) && !answer.Retriable || errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, errInput)
		if err == nil || final || ctx.Err() != nil || time.Now().After(deadline) {
			return result, err
		}
	}
}

func readOnce(ctx context.Context, settings *truthSettings) (*truthResult, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(settings.seeds()...))
	if err != nil {
		return nil, err
	}
	defer client.Close()

	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, settings.topic)
	if err != nil {
		return nil, err
	}
	topic := topics[settings.topic]
	if topic.Err != nil {
		return nil, fmt.Errorf("topic %q: %w", settings.topic, topic.Err)
	}
	cut, err := cutOffsets(ctx, admin, settings)
	if err != nil {
		return nil, err
	}
	for partition := range cut {
		if _, known := topic.Partitions[partition]; !known {
			return nil, fmt.Errorf("%w: topic %q has no partition %d", errInput, settings.topic, partition)
		}
	}

	listed, err := admin.ListStartOffsets(ctx, settings.topic)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r := &reader{settings: settings, client: client, topic: topic, start: offsetsOf(listed)}
	parts := make(chan *totals, len(cut))
	group, groupCtx := errgroup.WithContext(ctx)
	for partition, offset := range cut {
		group.Go(func() error {
			part, err := r.partition(groupCtx, partition, offset)
			parts <- part
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	close(parts)
	result := &truthResult{Topic: settings.topic, totals: newTotals(), Cut: cut}
	for part := range parts {
		result.merge(part)
	}
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}

// cutOffsets are where each partition ends for us. With -at: the first offset of that time or later, the end where there is none, as Kafka itself answers.
func cutOffsets(ctx context.Context, admin *kadm.Client, settings *truthSettings) (map[int32]int64, error) {
	if settings.cut != "" {
		return parseCut(settings.cut)
	}
	var listed kadm.ListedOffsets
	var err error
	switch {
	case settings.at != "":
		at, parseErr := parseTime(settings.at)
		if parseErr != nil {
			return nil, fmt.Errorf("%w: %w", errInput, parseErr)
		}
		listed, err = admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), settings.topic)
	case settings.uncommitted:
		listed, err = admin.ListEndOffsets(ctx, settings.topic)
	default:
		listed, err = admin.ListCommittedOffsets(ctx, settings.topic)
	}
	if err != nil {
		return nil, err
	}
	if err := listed.Error(); err != nil {
		return nil, err
	}
	return offsetsOf(listed), nil
}

func offsetsOf(listed kadm.ListedOffsets) map[int32]int64 {
	offsets := map[int32]int64{}
	listed.Each(func(offset kadm.ListedOffset) { offsets[offset.Partition] = offset.Offset })
	return offsets
}

func parseCut(text string) (map[int32]int64, error) {
	cut := map[int32]int64{}
	if file, isFile := strings.CutPrefix(text, "@"); isFile {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errInput, err)
		}
		if err := json.Unmarshal(content, &cut); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errInput, file, err)
		}
		return cut, nil
	}
	for _, pair := range strings.Split(text, ",") {
		left, right, _ := strings.Cut(pair, "=")
		partition, err := strconv.ParseInt(left, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not as 3=120", errInput, pair)
		}
		offset, err := strconv.ParseInt(right, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not as 3=120", errInput, pair)
		}
		cut[int32(partition)] = offset
	}
	return cut, nil
}

func (r *reader) partition(ctx context.Context, partition int32, cut int64) (*totals, error) {
	part := newTotals()
	decompressor := kgo.DefaultDecompressor()
	for offset := r.start[partition]; offset < cut; {
		answer, err := r.fetch(ctx, partition, offset)
		if err != nil {
			return part, fmt.Errorf("partition %d at offset %d of %d: %w", partition, offset, cut, err)
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			return part, fmt.Errorf("partition %d at offset %d of %d: %w", partition, offset, cut, err)
		}
		options := kgo.ProcessFetchPartitionOpts{Offset: offset, Topic: r.settings.topic, Partition: partition}
		if !r.settings.uncommitted {
			options.IsolationLevel = kgo.ReadCommitted()
		}
		records, next := kgo.ProcessFetchPartition(options, answer, decompressor, nil)
		if records.Err != nil {
			return part, fmt.Errorf("partition %d at offset %d of %d: %w", partition, offset, cut, records.Err)
		}
		for _, record := range records.Records {
			if record.Offset < cut {
				r.count(part, record)
			}
		}
		offset = next
	}
	return part, nil
}

func (r *reader) fetch(ctx context.Context, partition int32, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis = 500
	request.MinBytes = 1
	request.MaxBytes = 8 << 20
	if !r.settings.uncommitted {
		request.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = r.settings.topic
	topic.TopicID = r.topic.ID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition = partition
	part.FetchOffset = offset
	part.PartitionMaxBytes = 4 << 20
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)

	answer, err := r.client.Broker(int(r.topic.Partitions[partition].Leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker did not answer for the partition")
	}
	return &response.Topics[0].Partitions[0], nil
}

// count takes a record into the sums where it holds what ours hold: a customer and a whole amount.
func (r *reader) count(part *totals, record *kgo.Record) {
	if record.Value == nil {
		part.Tombstones++
		return
	}
	var document struct {
		Customer *string `json:"customer"`
		Amount   *int64  `json:"amount"`
	}
	if json.Unmarshal(record.Value, &document) != nil || document.Customer == nil || document.Amount == nil {
		part.Poisoned++
		return
	}
	part.add(record.Partition, *document.Customer, *document.Amount, record.Timestamp, r.settings.bucket)
}
