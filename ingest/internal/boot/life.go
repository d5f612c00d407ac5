package boot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
	"compute-mesh.dev/ingest/internal/table"
)

// prepareTimeout bounds everything before the stream.
const prepareTimeout = time.Minute

// plan is what one life of the stream does.
type plan struct {
	// held are this node's shards that the database has, awaited those that it does not have yet.
	held, awaited []int
	// starts are the next offsets of the held shards' partitions, -1 where the database has none.
	starts map[sink.Partition]int64
}

// live prepares, then streams until something ends it. Nil means that the shards in the database are other ones now.
func (i *Ingest) live(ctx context.Context) error {
	p, err := i.prepare(ctx)
	if err != nil {
		return err
	}
	i.log.Info("ingest starts: " + p.String())
	i.state.Start(p.starts, p.waitingFor())
	i.metrics.Starts.Inc()
	life, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	notes := newNoteBoard(i.state.Note)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		i.watch(life, p, notes, stop)
	}()
	if len(p.starts) > 0 {
		err = i.stream(life, p, notes, stop)
	} else {
		<-life.Done()
	}
	stop(err)
	<-watched
	if cause := context.Cause(life); cause != errShardsChanged {
		return cause
	}
	return nil
}

func (i *Ingest) prepare(ctx context.Context) (*plan, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	// The database first: what is wrong with it is told before what is wrong with Kafka.
	var tables []table.Facts
	for _, topic := range i.settings.Topics {
		tables = append(tables, topic.Table)
	}
	slices.SortFunc(tables, func(a, b table.Facts) int { return strings.Compare(a.Name, b.Name) })
	if err := i.sink.Prepare(ctx, i.settings.CreateTables, tables); err != nil {
		return nil, i.databaseError(err)
	}
	if err := i.checkTopics(ctx); err != nil {
		return nil, err
	}
	if !i.settings.AwaitShards {
		if err := i.sink.MarkShards(ctx, i.node.Shards, "kafka"); err != nil {
			return nil, i.databaseError(err)
		}
	}
	held, err := i.heldShards(ctx)
	if err != nil {
		return nil, i.databaseError(err)
	}
	offsets, err := i.sink.ReadOffsets(ctx)
	if err != nil {
		return nil, i.databaseError(err)
	}
	p := &plan{held: held, starts: map[sink.Partition]int64{}}
	for _, shard := range i.node.Shards {
		if !slices.Contains(held, shard) {
			p.awaited = append(p.awaited, shard)
		}
	}
	for name, topic := range i.settings.Topics {
		for _, shard := range held {
			for id := shard; id < topic.Partitions; id += i.settings.ShardCount {
				partition := sink.Partition{Topic: name, ID: int32(id)}
				p.starts[partition] = -1
				if next, known := offsets[partition]; known {
					p.starts[partition] = next
				}
			}
		}
	}
	return p, nil
}

// checkTopics compares Kafka's topics with the settings.
func (i *Ingest) checkTopics(ctx context.Context) error {
	wanted := map[string]int{}
	for name, topic := range i.settings.Topics {
		wanted[name] = topic.Partitions
	}
	if i.settings.DeadLetterTopic != "" {
		wanted[i.settings.DeadLetterTopic] = 0
	}
	return i.admin.CheckTopics(ctx, wanted)
}

// heldShards are this node's shards that the database has.
func (i *Ingest) heldShards(ctx context.Context) ([]int, error) {
	found, err := i.sink.HeldShards(ctx)
	if err != nil {
		return nil, err
	}
	var held []int
	for _, shard := range i.node.Shards {
		if slices.Contains(found, shard) {
			held = append(held, shard)
		}
	}
	return held, nil
}

func (p *plan) waitingFor() string {
	if len(p.awaited) == 0 {
		return ""
	}
	return fmt.Sprintf("shards %s are not in mesh_shards yet: the agent restores each or marks it to be read from Kafka", join(p.awaited))
}

// String lists the partitions and their offsets.
func (p *plan) String() string {
	if len(p.starts) == 0 && len(p.awaited) == 0 {
		return "this node owns no shard, there is nothing to do"
	}
	var parts []string
	for partition, next := range p.starts {
		if next < 0 {
			parts = append(parts, partition.String()+" at its oldest record")
		} else {
			parts = append(parts, fmt.Sprintf("%v at %d", partition, next))
		}
	}
	slices.Sort(parts)
	text := fmt.Sprintf("shards %s, %d partitions: %s", join(p.held), len(parts), strings.Join(parts, ", "))
	if waiting := p.waitingFor(); waiting != "" {
		text += "; " + waiting
	}
	return text
}

func join(shards []int) string {
	if len(shards) == 0 {
		return "none"
	}
	var texts []string
	for _, shard := range shards {
		texts = append(texts, fmt.Sprint(shard))
	}
	return strings.Join(texts, ",")
}
