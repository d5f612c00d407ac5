package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"compute-mesh.dev/ingest/internal/stop"
	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

func init() {
	err := service.RegisterBatchInput("mesh_kafka", spec(), func(conf *service.ParsedConfig, resources *service.Resources) (service.BatchInput, error) {
		s, err := parse(conf)
		if err != nil {
			return nil, err
		}
		return newInput(s, resources), nil
	})
	if err != nil {
		panic(err)
	}
}

// input reads partitions into memory and hands out one batch per partition at a time.
type input struct {
	settings *settings
	log      *service.Logger
	lag      *service.MetricGauge
	fatal    func(error)

	client   *kgo.Client
	stopPoll context.CancelFunc
	polling  sync.WaitGroup

	mutex      sync.Mutex
	partitions []*partition
	byName     map[string]map[int32]*partition
	// next is the partition to ask first, so that none waits for ever.
	next     int
	buffered int
	// changed wakes the reader, room wakes the poller; each holds at most one signal.
	changed, room chan struct{}
}

func newInput(s *settings, resources *service.Resources) *input {
	in := &input{
		settings: s,
		log:      resources.Logger(),
		lag:      resources.Metrics().NewGauge("mesh_ingest_lag", "topic", "partition"),
		byName:   map[string]map[int32]*partition{},
		changed:  make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
	}
	in.fatal = func(err error) { stop.Process(in.log, err) }
	for topic, starts := range s.starts {
		in.byName[topic] = map[int32]*partition{}
		for id, start := range starts {
			p := &partition{topic: topic, id: id, from: start, to: start, written: start, oldest: start == oldest}
			in.byName[topic][id] = p
			in.partitions = append(in.partitions, p)
		}
	}
	return in
}

// Connect asks where the partitions begin and end, refuses offsets that are not there, and starts reading.
func (in *input) Connect(ctx context.Context) error {
	if in.client != nil {
		return nil
	}
	offsets := map[string]map[int32]kgo.Offset{}
	for topic, starts := range in.settings.starts {
		offsets[topic] = map[int32]kgo.Offset{}
		for id, start := range starts {
			offset := kgo.NoResetOffset().AtStart()
			if start != oldest {
				offset = kgo.NoResetOffset().At(start)
			}
			offsets[topic][id] = offset
		}
	}
	client, err := kgo.NewClient(append(in.settings.client, kgo.ConsumePartitions(offsets))...)
	if err != nil {
		return err
	}
	// Before the first poll nothing is read, but the client fetches ahead; an offset that is refused here is never handed out.
	if err := in.checkStarts(ctx, client); err != nil {
		client.Close()
		return err
	}
	in.client = client
	pollCtx, cancel := context.WithCancel(context.Background())
	in.stopPoll = cancel
	in.polling.Go(func() { in.poll(pollCtx) })
	return nil
}

func (in *input) checkStarts(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	low, err := listOffsets(ctx, client, in.settings.starts, earliest)
	if err != nil {
		return err
	}
	high, err := listOffsets(ctx, client, in.settings.starts, latest)
	if err != nil {
		return err
	}
	var problems []error
	for topic, starts := range in.settings.starts {
		for id, start := range starts {
			if start != oldest {
				problems = append(problems, checkStart(topic, id, start, low[topic][id], high[topic][id]))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		in.fatal(err)
		return err
	}
	return nil
}

// poll fetches while there is room.
func (in *input) poll(ctx context.Context) {
	noted := map[string]time.Time{}
	for ctx.Err() == nil {
		if !in.waitForRoom(ctx) {
			return
		}
		fetches := in.client.PollFetches(ctx)
		fetches.EachError(func(topic string, id int32, err error) {
			in.pollError(topic, id, err, noted)
		})
		in.keep(fetches)
	}
}

// pollError stops where Kafka lost data; anything else passes or is retried by the client, and is logged at most every 10 seconds.
func (in *input) pollError(topic string, id int32, err error, noted map[string]time.Time) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	var loss *kgo.ErrDataLoss
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &loss) {
		in.fatal(fmt.Errorf("%s/%d: the position is no longer in Kafka's log: %w", topic, id, err))
		return
	}
	name := fmt.Sprintf("%s/%d: %v", topic, id, err)
	if now := time.Now(); now.Sub(noted[name]) > 10*time.Second {
		noted[name] = now
		in.log.Errorf("reading Kafka: %s", name)
	}
}

func (in *input) keep(fetches kgo.Fetches) {
	now := time.Now()
	in.mutex.Lock()
	defer in.mutex.Unlock()
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		p := in.byName[fetched.Topic][fetched.Partition]
		if p == nil || fetched.Err != nil {
			return
		}
		added, err := p.add(fetched.FetchPartition, now)
		in.buffered += added
		if err != nil {
			in.fatal(err)
		}
		in.showLag(p)
	})
	signal(in.changed)
}

func (in *input) showLag(p *partition) {
	if p.to == oldest {
		return
	}
	in.lag.Set(max(0, p.highWatermark-p.written), p.topic, fmt.Sprint(p.id))
}

func (in *input) waitForRoom(ctx context.Context) bool {
	for {
		in.mutex.Lock()
		full := in.buffered >= in.settings.bufferedBytes
		in.mutex.Unlock()
		if !full {
			return true
		}
		select {
		case <-in.room:
		case <-ctx.Done():
			return false
		}
	}
}

// ReadBatch waits for the next batch that is full or old enough.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		batch, ack, due := in.nextBatch(time.Now())
		if batch != nil {
			return batch, ack, nil
		}
		timer.Reset(due)
		select {
		case <-in.changed:
		case <-timer.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// nextBatch returns a batch, or how long to wait for one.
func (in *input) nextBatch(now time.Time) (service.MessageBatch, service.AckFunc, time.Duration) {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	wait := time.Hour
	for i := range in.partitions {
		p := in.partitions[(in.next+i)%len(in.partitions)]
		due, any := p.due(in.settings)
		if !any {
			continue
		}
		if left := due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		in.next = (in.next + i + 1) % len(in.partitions)
		batch, ack := in.takeBatch(p)
		return batch, ack, 0
	}
	return nil, nil, wait
}

func (in *input) takeBatch(p *partition) (service.MessageBatch, service.AckFunc) {
	records, piece, taken := p.take(in.settings)
	piece.SetAside = in.setAside
	return messages(piece, records), func(_ context.Context, err error) error {
		in.mutex.Lock()
		defer in.mutex.Unlock()
		if err != nil {
			p.giveBack(records, piece, taken)
		} else {
			p.done(piece)
			in.buffered -= taken
			in.showLag(p)
		}
		signal(in.changed)
		signal(in.room)
		return nil
	}
}

// setAside produces a copy of the record with headers that say where it was and why it is not there.
func (in *input) setAside(ctx context.Context, topic string, record *kgo.Record, reason string) error {
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
	return in.client.ProduceSync(ctx, dead).FirstErr()
}

// Close stops reading. What is not written is read again after the next start.
func (in *input) Close(context.Context) error {
	if in.client == nil {
		return nil
	}
	in.stopPoll()
	in.client.Close()
	in.polling.Wait()
	return nil
}

// messages makes one message of each record, and one empty message of none.
func messages(piece *stretch.Stretch, records []*kgo.Record) service.MessageBatch {
	if len(records) == 0 {
		empty := service.NewMessage(nil).WithContext(stretch.With(context.Background(), &stretch.Entry{Stretch: piece}))
		return service.MessageBatch{empty}
	}
	batch := make(service.MessageBatch, len(records))
	entries := make([]stretch.Entry, len(records))
	for i, record := range records {
		entries[i] = stretch.Entry{Stretch: piece, Record: record}
		message := service.NewMessage(record.Value).WithContext(stretch.With(context.Background(), &entries[i]))
		message.MetaSetMut("kafka_topic", record.Topic)
		message.MetaSetMut("kafka_partition", int(record.Partition))
		message.MetaSetMut("kafka_offset", record.Offset)
		message.MetaSetMut("kafka_timestamp_unix", record.Timestamp.Unix())
		message.MetaSetMut("kafka_timestamp_unix_ms", record.Timestamp.UnixMilli())
		if record.Key != nil {
			message.MetaSetMut("kafka_key", string(record.Key))
		}
		batch[i] = message
	}
	return batch
}

func signal(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
