package sink

import (
	"context"
	"fmt"
	"slices"

	"compute-mesh.dev/ingest/internal/stretch"
	"compute-mesh.dev/ingest/internal/table"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Rejection is a record that can never be stored, and why.
type Rejection struct {
	Record *kgo.Record
	Reason error
}

// Batch is a stretch with its rows.
type Batch struct {
	Stretch *stretch.Stretch
	Facts   table.Facts
	Rows    []table.Row
	// Rejected are the records that gave no row.
	Rejected []Rejection
	// SetAside puts a record somewhere else, for good when it returns. Nil: there is no such place.
	SetAside func(ctx context.Context, rejected Rejection) error
}

// Written is what one transaction did.
type Written struct {
	Rows, Bytes, Skipped, SetAside int
}

// Apply writes the stretch in one transaction, or finds that it is written already.
//
// The rule. The partition's next offset, locked until the end, decides. A stretch that ends at or below it is written already. One that begins at or
// below it loses the rows below and is written. One that begins above it is refused: the offsets between were read by nobody that wrote them here, so
// storing it would make the next offset pass rows that are lost. Gaps that Kafka itself has do not count, because they lie inside stretches. A
// partition without a next offset takes only a stretch that begins at Kafka's oldest record because the start-up found no offset, either. Hence
// whatever goes wrong (a database that came back empty or older, a batch out of order, a second writer, a start at the wrong place) the rows in the
// table are always exactly those below the next offset.
//
// Careful is the slower way after an error that was Poison: it finds the rows that are rejected and sets them aside before the transaction commits. A
// crash between the two may set a record aside twice, never lose it.
func Apply(ctx context.Context, s Sink, batch *Batch, careful bool) (Written, error) {
	piece := batch.Stretch
	tx, err := s.Begin(ctx, Partition{piece.Topic, piece.Partition}, batch.Facts)
	if err != nil {
		return Written{}, err
	}
	defer tx.Rollback()
	next, err := lockOffset(ctx, tx, piece)
	if err != nil {
		return Written{}, err
	}
	if piece.To <= next {
		return Written{Skipped: len(batch.Rows)}, nil
	}
	if piece.From > next {
		return Written{}, changed("%v: the database goes on at offset %d: it is older than what was read from it, or rows between were lost", piece, next)
	}
	rows := atLeast(batch.Rows, next, func(row table.Row) int64 { return row.Record.Offset })
	rejected := atLeast(batch.Rejected, next, func(r Rejection) int64 { return r.Record.Offset })
	if len(rejected) > 0 && batch.SetAside == nil {
		return Written{}, batch.poisoned(rejected[0])
	}
	done := Written{Skipped: len(batch.Rows) - len(rows)}
	if careful {
		found, err := storeHalves(ctx, s, tx, rows, &done)
		if err != nil {
			return Written{}, err
		}
		if len(found) > 0 {
			// Somebody may have changed the table under the running ingest: then it is at fault, not the rows.
			if err := s.Prepare(ctx, nil, []table.Facts{batch.Facts}); err != nil {
				return Written{}, err
			}
		}
		rejected = append(slices.Clip(rejected), found...)
	} else if len(rows) > 0 {
		if done.Bytes, err = tx.Store(ctx, rows); err != nil {
			return Written{}, err
		}
		done.Rows = len(rows)
	}
	for _, bad := range rejected {
		if err := batch.setAside(ctx, bad); err != nil {
			return Written{}, err
		}
	}
	done.SetAside = len(rejected)
	if err := tx.Advance(ctx, piece.To); err != nil {
		return Written{}, err
	}
	return done, tx.Commit(ctx)
}

// lockOffset locks the partition's next offset, after making it where that is allowed.
func lockOffset(ctx context.Context, tx Tx, piece *stretch.Stretch) (int64, error) {
	next, known, err := tx.Next(ctx)
	if err != nil || known {
		return next, err
	}
	if !piece.Oldest {
		return 0, changed("%v: the database has no offset for this partition any more: it came back empty, or its offsets were deleted", piece)
	}
	if err := tx.First(ctx, piece.From); err != nil {
		return 0, err
	}
	if next, known, err = tx.Next(ctx); err == nil && !known {
		err = fmt.Errorf("%v: the database did not keep the partition's first offset", piece)
	}
	return next, err
}

func atLeast[T any](all []T, next int64, offset func(T) int64) []T {
	below := func(one T) bool { return offset(one) < next }
	if !slices.ContainsFunc(all, below) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), below)
}

// storeHalves stores the rows at once, or else each half on its own, down to the rows that are rejected.
func storeHalves(ctx context.Context, s Sink, tx Tx, rows []table.Row, done *Written) ([]Rejection, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	size, err := tx.StoreCarefully(ctx, rows)
	if err == nil {
		done.Rows += len(rows)
		done.Bytes += size
		return nil, nil
	}
	class := s.Classify(err)
	if class != Poison && class != DocumentLimit {
		return nil, err
	}
	if len(rows) > 1 {
		first, err := storeHalves(ctx, s, tx, rows[:len(rows)/2], done)
		if err != nil {
			return nil, err
		}
		second, err := storeHalves(ctx, s, tx, rows[len(rows)/2:], done)
		return append(first, second...), err
	}
	if row := rows[0]; class == DocumentLimit && row.Doc != nil {
		// Valid JSON that the engine has no room for, such as a number of 200,000 digits: kept as it is, like what is no JSON.
		wrapped := row
		wrapped.Doc = table.Wrap(row.Record.Value)
		size, errWrapped := tx.StoreCarefully(ctx, []table.Row{wrapped})
		if errWrapped == nil {
			done.Rows++
			done.Bytes += size
			return nil, nil
		}
		if class := s.Classify(errWrapped); class != Poison && class != DocumentLimit {
			return nil, errWrapped
		}
	}
	return []Rejection{{Record: rows[0].Record, Reason: err}}, nil
}

func (b *Batch) setAside(ctx context.Context, bad Rejection) error {
	if b.SetAside == nil {
		return b.poisoned(bad)
	}
	if err := b.SetAside(ctx, bad); err != nil {
		return fmt.Errorf("setting offset %d aside: %w", bad.Record.Offset, err)
	}
	return nil
}

func (b *Batch) poisoned(bad Rejection) error {
	return &Poisoned{fmt.Sprintf("%s/%d offset %d can never be stored: %v. Set deadLetterTopic to put such records aside", b.Stretch.Topic,
		b.Stretch.Partition, bad.Record.Offset, bad.Reason)}
}
