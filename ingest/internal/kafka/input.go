package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/warpstreamlabs/bento/public/service"
)

// Input reads partitions into memory and hands out one batch per partition at a time.
//
// A partition has one batch under way at a time; while it is written the next one fills up, so batches grow with the load. Nothing between input and
// output may drop, add or regroup messages.
type Input struct {
	config *Config
	starts map[string]map[int32]int64

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

// NewInput makes an input without connecting.
func NewInput(config *Config) *Input {
	in := &Input{
		config:  config,
		starts:  map[string]map[int32]int64{},
		byName:  map[string]map[int32]*partition{},
		changed: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
	}
	for name, start := range config.Starts {
		if start < 0 {
			start = oldest
		}
		if in.starts[name.Topic] == nil {
			in.starts[name.Topic] = map[int32]int64{}
			in.byName[name.Topic] = map[int32]*partition{}
		}
		p := &partition{topic: name.Topic, id: name.ID, from: start, to: start, written: start, oldest: start == oldest}
		in.starts[name.Topic][name.ID] = start
		in.byName[name.Topic][name.ID] = p
		in.partitions = append(in.partitions, p)
	}
	return in
}

// Connect asks where the partitions begin and end, refuses offsets that are not there, and starts reading.
func (in *Input) Connect(ctx context.Context) error {
	if in.client != nil {
		return nil
	}
	offsets := map[string]map[int32]kgo.Offset{}
	for topic, starts := range in.starts {
		offsets[topic] = map[int32]kgo.Offset{}
		for id, start := range starts {
			offset := kgo.NoResetOffset().AtStart()
			if start != oldest {
				offset = kgo.NoResetOffset().At(start)
			}
			offsets[topic][id] = offset
		}
	}
	client, err := kgo.NewClient(append(append(slices.Clone(in.config.Connection), reading()...), kgo.ConsumePartitions(offsets))...)
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

func (in *Input) checkStarts(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	low, err := listOffsets(ctx, client, in.starts, earliest)
	if err != nil {
		return err
	}
	high, err := listOffsets(ctx, client, in.starts, latest)
	if err != nil {
		return err
	}
	var problems []error
	for topic, starts := range in.starts {
		for id, start := range starts {
			if start != oldest {
				problems = append(problems, checkStart(topic, id, start, low[topic][id], high[topic][id]))
			} else {
				in.config.Began(sink.Partition{Topic: topic, ID: id}, low[topic][id])
			}
			in.config.Ended(sink.Partition{Topic: topic, ID: id}, high[topic][id])
		}
	}
	if err := errors.Join(problems...); err != nil {
		in.config.Fail(err)
		return err
	}
	return nil
}

// poll fetches while there is room.
func (in *Input) poll(ctx context.Context) {
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
func (in *Input) pollError(topic string, id int32, err error, noted map[string]time.Time) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	var loss *kgo.ErrDataLoss
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &loss) {
		in.config.Fail(&Lost{fmt.Sprintf("%s/%d: the position is no longer in Kafka's log: %v", topic, id, err)})
		return
	}
	name := fmt.Sprintf("%s/%d: %v", topic, id, err)
	if now := time.Now(); now.Sub(noted[name]) > 10*time.Second {
		noted[name] = now
		in.config.Log.Error("reading Kafka: " + name)
	}
}

func (in *Input) keep(fetches kgo.Fetches) {
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
			in.config.Fail(err)
		}
		in.config.Ended(p.name(), fetched.LastStableOffset)
	})
	in.config.Buffered(in.buffered)
	signal(in.changed)
}

func (in *Input) waitForRoom(ctx context.Context) bool {
	for {
		in.mutex.Lock()
		full := in.buffered >= in.config.BufferBytes
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
func (in *Input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
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
func (in *Input) nextBatch(now time.Time) (service.MessageBatch, service.AckFunc, time.Duration) {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	wait := time.Hour
	for i := range in.partitions {
		p := in.partitions[(in.next+i)%len(in.partitions)]
		due, any := p.due(in.config)
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

func (in *Input) takeBatch(p *partition) (service.MessageBatch, service.AckFunc) {
	records, piece, taken := p.take(in.config)
	return messages(piece, records), func(_ context.Context, err error) error {
		in.mutex.Lock()
		defer in.mutex.Unlock()
		if err != nil {
			p.giveBack(records, piece, taken)
		} else {
			p.done(piece)
			in.buffered -= taken
			in.config.Buffered(in.buffered)
			in.config.Written(p.name(), piece.To)
		}
		signal(in.changed)
		signal(in.room)
		return nil
	}
}

// Close stops reading. What is not written is read again after the next start.
func (in *Input) Close(context.Context) error {
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
