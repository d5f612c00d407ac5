// Package stretch is what the Kafka input tells the database output about a batch, beside the records themselves.
package stretch

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Stretch is one piece of a partition's log, [From, To), read as a whole: Records are all the records that Kafka has there for a reader of
// committed data. Offsets without a record (transaction markers, aborted transactions, what compaction removed) lie inside stretches, and the
// next stretch of a partition begins where the one before ended. So two stretches that do not touch prove that something between them is
// missing, which offsets of records alone cannot prove.
type Stretch struct {
	Topic     string
	Partition int32
	From, To  int64
	// Oldest says that the start-up gave no offset for the partition, that it began at Kafka's oldest record, and that nothing of it is
	// written yet. Only such a stretch may make the partition's row of offsets.
	Oldest bool
	// Records is their number. A stretch without records travels as one empty message.
	Records int
}

// String names the stretch as error messages do.
func (s *Stretch) String() string {
	return fmt.Sprintf("%s/%d offsets [%d, %d)", s.Topic, s.Partition, s.From, s.To)
}

// Entry ties a message to its record. Record is nil in the message that stands for a stretch without records.
type Entry struct {
	Stretch *Stretch
	Record  *kgo.Record
}

type key struct{}

// With attaches an entry to a message's context, where it survives processors that change the message.
func With(ctx context.Context, entry *Entry) context.Context {
	return context.WithValue(ctx, key{}, entry)
}

// Of is the entry of a message's context, or nil where the message came from another input.
func Of(ctx context.Context) *Entry {
	entry, _ := ctx.Value(key{}).(*Entry)
	return entry
}
