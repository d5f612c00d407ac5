package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type produceSettings struct {
	target
	messages     int64
	keys         int
	seed         uint64
	firstID      int64
	rate         int64
	start        time.Time
	span         time.Duration
	disorder     time.Duration
	duplicates   int64
	poison       int64
	tombstones   int64
	transactions int64
	abortEvery   int64
	bucket       time.Duration
}

func produceFlags(args []string) (*produceSettings, error) {
	s := &produceSettings{}
	set := flag.NewFlagSet("produce", flag.ContinueOnError)
	s.flags(set)
	set.Int64Var(&s.messages, "messages", 1_000_000, "records to write, duplicates not counted")
	set.IntVar(&s.keys, "keys", 1000, "different keys; Kafka's default hash of the key chooses the partition")
	set.Uint64Var(&s.seed, "seed", 1, "the same seed gives the same keys and amounts")
	set.Int64Var(&s.firstID, "first-id", 0, "id of the first record")
	set.Int64Var(&s.rate, "rate", 0, "records a second; 0 = as fast as it goes")
	start := set.String("start", "", "time of the first record, RFC 3339 or milliseconds; default: the time of writing")
	set.DurationVar(&s.span, "span", 0, "with -start: the records' times spread over it; 0 = all have the same time")
	set.DurationVar(&s.disorder, "disorder", 0, "each time is moved by up to so much to either side")
	set.Int64Var(&s.duplicates, "duplicates", 0, "every n-th record is written twice, and counted twice; 0 = none")
	set.Int64Var(&s.poison, "poison", 0, "every n-th record is no JSON or has a text as amount, by turns, and is in no sum; 0 = none")
	set.Int64Var(&s.tombstones, "tombstones", 0, "every n-th record has no value and is in no sum; 0 = none")
	set.Int64Var(&s.transactions, "transactions", 0, "records of one transaction; 0 = no transactions")
	set.Int64Var(&s.abortEvery, "abort-every", 0, "every n-th transaction is aborted and in no sum; 0 = none")
	set.DurationVar(&s.bucket, "bucket", 0, "sums by time in steps of this length; 0 = none")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if *start != "" {
		at, err := parseTime(*start)
		if err != nil {
			return nil, err
		}
		s.start = at
	}
	if s.messages < 1 || s.keys < 1 {
		return nil, errors.New("-messages and -keys must be at least 1")
	}
	return s, s.check()
}

func parseTime(text string) (time.Time, error) {
	if milliseconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(milliseconds), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither milliseconds nor a time as 2026-11-21T06:00:00Z", text)
	}
	return at, nil
}

type produceResult struct {
	Topic string `json:"topic"`
	*totals
	Duplicates int64 `json:"duplicates"`
	// Aborted counts records of aborted transactions, which are in no sum.
	Aborted int64 `json:"aborted"`
	// NextOffsets are those behind the last record of each partition that was written here; the marker that ends a transaction comes behind that.
	NextOffsets map[int32]int64 `json:"nextOffsets"`
	Seconds     float64         `json:"seconds"`
	PerSecond   int64           `json:"recordsPerSecond"`
}

// producer keeps what the brokers acknowledged. Promises of one client run one after the other, and the fields are read only after a flush.
type producer struct {
	settings *produceSettings
	client   *kgo.Client
	result   *produceResult
	// pending are the totals of the open transaction, or of all records without transactions.
	pending *totals
	written int64
	failure error
}

func produce(ctx context.Context, settings *produceSettings) (*produceResult, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(settings.seeds()...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerLinger(20 * time.Millisecond),
		kgo.MaxBufferedRecords(200_000),
		// A topic that does not exist is an error at once, not something to wait for.
		kgo.UnknownTopicRetries(3),
	}
	if settings.transactions > 0 {
		options = append(options, kgo.TransactionalID(fmt.Sprintf("mesh-load-%s-%d", settings.topic, time.Now().UnixNano())))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()

	began := time.Now()
	p := &producer{settings: settings, client: client, pending: newTotals(), result: &produceResult{
		Topic: settings.topic, totals: newTotals(), NextOffsets: map[int32]int64{},
	}}
	if err := p.writeAll(ctx); err != nil {
		return nil, err
	}
	p.result.Seconds = time.Since(began).Seconds()
	p.result.PerSecond = int64(float64(p.written) / p.result.Seconds)
	return p.result, nil
}

func (p *producer) writeAll(ctx context.Context) error {
	s := p.settings
	generator := newGenerator(s)
	began, lastReport := time.Now(), time.Now()
	for number := int64(1); number <= s.messages; number++ {
		first := s.transactions > 0 && (number-1)%s.transactions == 0
		if first {
			if err := p.client.BeginTransaction(); err != nil {
				return err
			}
		}
		record := generator.make()
		p.write(ctx, record)
		if every(s.duplicates, number) {
			copied := *record.record
			p.result.Duplicates++
			p.write(ctx, made{record: &copied, kind: record.kind, key: record.key, amount: record.amount})
		}
		if s.transactions > 0 && (number%s.transactions == 0 || number == s.messages) {
			if err := p.end(ctx, every(s.abortEvery, (number-1)/s.transactions+1)); err != nil {
				return err
			}
		}
		if s.rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(number) * time.Second / time.Duration(s.rate))))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(lastReport) > 5*time.Second {
			lastReport = time.Now()
			fmt.Fprintf(os.Stderr, "%d of %d records\n", number, s.messages)
		}
	}
	if s.transactions > 0 {
		return nil
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	p.result.merge(p.pending)
	return nil
}

func (p *producer) write(ctx context.Context, m made) {
	p.client.Produce(ctx, m.record, func(record *kgo.Record, err error) {
		if err != nil {
			p.failure = errors.Join(p.failure, err)
			return
		}
		p.written++
		p.result.NextOffsets[record.Partition] = max(p.result.NextOffsets[record.Partition], record.Offset+1)
		switch m.kind {
		case poisoned:
			p.pending.Poisoned++
		case tombstone:
			p.pending.Tombstones++
		default:
			p.pending.add(record.Partition, m.key, m.amount, record.Timestamp, p.settings.bucket)
		}
	})
}

func (p *producer) flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	return p.failure
}

// end ends the open transaction; the records of an aborted one are counted, but in no sum.
func (p *producer) end(ctx context.Context, abort bool) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	if err := p.client.EndTransaction(ctx, kgo.TransactionEndTry(!abort)); err != nil {
		return err
	}
	if abort {
		p.result.Aborted += p.pending.Total.Count + p.pending.Poisoned + p.pending.Tombstones
	} else {
		p.result.merge(p.pending)
	}
	p.pending = newTotals()
	return nil
}
