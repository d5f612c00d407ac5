package kafka

import (
	"fmt"
	"slices"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/stretch"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recordCost is what a record takes in memory beside key and value: itself and its message with metadata.
const recordCost = 512

// partition is what has been read and not written yet. Guarded by the input's mutex.
type partition struct {
	topic string
	id    int32
	// pending is [from, to) of the log; from is where the batch under way ends.
	pending  []*kgo.Record
	from, to int64
	bytes    int
	// since is when the oldest of pending arrived.
	since time.Time
	// written is the end of what the database has, as far as this process knows.
	written  int64
	oldest   bool
	underWay bool
}

func cost(record *kgo.Record) int {
	return len(record.Key) + len(record.Value) + recordCost
}

// add takes what a broker answered and returns its cost.
//
// An answer that begins above the position is a gap that Kafka has (compaction), unless the log itself begins above the position: then retention
// or DeleteRecords took records that were never read.
func (p *partition) add(fetched kgo.FetchPartition, now time.Time) (int, error) {
	added := 0
	for _, record := range fetched.Records {
		if p.to == oldest {
			p.from, p.to, p.written = record.Offset, record.Offset, record.Offset
		}
		if record.Offset < p.to {
			return added, fmt.Errorf("%s/%d: Kafka answered offset %d after offset %d", p.topic, p.id, record.Offset, p.to-1)
		}
		if record.Offset > p.to && fetched.LogStartOffset > p.to {
			return added, lostError(p.topic, p.id, p.to, fetched.LogStartOffset, fetched.HighWatermark)
		}
		if p.from == p.to {
			p.since = now
		}
		p.to = record.Offset + 1
		if !record.Attrs.IsControl() {
			p.pending = append(p.pending, record)
			added += cost(record)
		}
	}
	p.bytes += added
	return added, nil
}

// due says when the next batch may leave; false while there is none or one is under way.
func (p *partition) due(s *Config) (time.Time, bool) {
	if p.underWay || p.from == p.to {
		return time.Time{}, false
	}
	if len(p.pending) >= s.BatchCount || p.bytes-recordCost*len(p.pending) >= s.BatchBytes {
		return time.Time{}, true
	}
	return p.since.Add(s.BatchPeriod), true
}

// take cuts the next batch off.
func (p *partition) take(s *Config) ([]*kgo.Record, *stretch.Stretch, int) {
	count, taken, content := 0, 0, 0
	for count < len(p.pending) && count < s.BatchCount && content < s.BatchBytes {
		taken += cost(p.pending[count])
		content += cost(p.pending[count]) - recordCost
		count++
	}
	records := slices.Clone(p.pending[:count])
	to := p.to
	if count < len(p.pending) {
		to = records[count-1].Offset + 1
	}
	piece := &stretch.Stretch{Topic: p.topic, Partition: p.id, From: p.from, To: to, Oldest: p.oldest, Records: count}
	// Else the records would stay reachable until the array is outgrown.
	clear(p.pending[:count])
	p.pending = p.pending[count:]
	p.from, p.bytes, p.underWay = to, p.bytes-taken, true
	return records, piece, taken
}

// giveBack puts a batch that was not written in front again.
func (p *partition) giveBack(records []*kgo.Record, piece *stretch.Stretch, taken int) {
	p.pending = append(records, p.pending...)
	p.from, p.bytes, p.underWay = piece.From, p.bytes+taken, false
}

// done notes that the batch is in the database.
func (p *partition) done(piece *stretch.Stretch) {
	p.written, p.underWay, p.oldest = piece.To, false, false
}

// checkStart refuses an offset that Kafka does not have: [low, high] is where its log can be read from.
func checkStart(topic string, partition int32, start, low, high int64) error {
	if start < low {
		return lostError(topic, partition, start, low, high)
	}
	if start > high {
		return &Lost{fmt.Sprintf("%s/%d: the database goes on at offset %d, but Kafka's log ends at %d: the topic was made anew or lost its end. "+
			"If the rows of before are not wanted, delete them and the row of the partition in mesh_offsets", topic, partition, start, high)}
	}
	return nil
}

func lostError(topic string, partition int32, start, low, high int64) error {
	return &Lost{fmt.Sprintf("%s/%d: Kafka has offsets [%d, %d) only; those from %d were deleted before they were read. To go on without them: "+
		"UPDATE mesh_offsets SET next_offset = %d WHERE topic = '%s' AND partition = %d", topic, partition, low, high, start, low, topic, partition)}
}

func (p *partition) name() sink.Partition {
	return sink.Partition{Topic: p.topic, ID: p.id}
}
