package boot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"compute-mesh.dev/ingest/internal/kafka"
	"compute-mesh.dev/ingest/internal/sink"
)

var errShardsChanged = errors.New("the shards in the database are other ones now")

// watch looks at the database and at Kafka while the stream runs, because neither says by itself that it changed.
func (i *Ingest) watch(life context.Context, p *plan, notes *noteBoard, stop context.CancelCauseFunc) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		every(life, i.timing.Database, func() {
			err := i.compareDatabase(life, p)
			if life.Err() == nil && i.endsLife(err) {
				stop(err)
				return
			}
			notes.put("database", err)
		})
	})
	all.Go(func() {
		every(life, i.timing.Topics, func() {
			var setup *kafka.Setup
			if err := i.checkTopics(life); errors.As(err, &setup) {
				stop(err)
			}
		})
	})
	if len(p.starts) == 0 {
		return
	}
	var partitions []sink.Partition
	for partition := range p.starts {
		partitions = append(partitions, partition)
	}
	all.Go(func() {
		every(life, i.timing.Ends, func() {
			ends, err := i.admin.Ends(life, partitions)
			for partition, end := range ends {
				i.state.Ended(partition, end)
			}
			notes.put("Kafka", err)
		})
	})
}

// compareDatabase notices shards that came or went, and a database that is another one than before although nothing is written just now.
func (i *Ingest) compareDatabase(ctx context.Context, p *plan) error {
	ctx, cancel := context.WithTimeout(ctx, i.timing.Transaction)
	defer cancel()
	// Before the database is asked, so that it can only be ahead.
	stored := i.state.Stored()
	offsets, err := i.sink.ReadOffsets(ctx)
	if err != nil {
		return i.databaseError(err)
	}
	for partition, next := range stored {
		if found, known := offsets[partition]; !known || found < next {
			return i.databaseError(sink.NewChanged(partition, next, found, known))
		}
	}
	held, err := i.heldShards(ctx)
	if err != nil {
		return i.databaseError(err)
	}
	if !slices.Equal(held, p.held) {
		i.log.Info(fmt.Sprintf("the database holds shards %s of this node now, not %s any more", join(held), join(p.held)))
		return errShardsChanged
	}
	return nil
}

// endsLife says that the stream cannot go on as it is. While the database only does not answer, the stream waits for it.
func (i *Ingest) endsLife(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, errShardsChanged) || slices.Contains([]sink.Class{sink.Gone, sink.Setup, sink.Credentials}, sink.ClassOf(i.sink, err))
}

func every(ctx context.Context, period time.Duration, do func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// noteBoard shows the newest trouble of each kind until it has passed.
type noteBoard struct {
	mutex sync.Mutex
	texts map[string]string
	show  func(string)
}

func newNoteBoard(show func(string)) *noteBoard {
	return &noteBoard{texts: map[string]string{}, show: show}
}

func (n *noteBoard) put(kind string, err error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	delete(n.texts, kind)
	if err != nil && !errors.Is(err, context.Canceled) {
		n.texts[kind] = oneLine(err)
	}
	var texts []string
	for _, kind := range slices.Sorted(maps.Keys(n.texts)) {
		if text := n.texts[kind]; !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	n.show(strings.Join(texts, "; "))
}
