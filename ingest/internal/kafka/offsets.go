package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Times with a meaning of their own in the ListOffsets request.
const (
	latest   int64 = -1
	earliest int64 = -2
)

// oldest is the start of a partition that has no offset yet.
const oldest int64 = -2

// listOffsets asks for the first or the end offset of every partition, as a reader of committed records sees them.
func listOffsets(ctx context.Context, client *kgo.Client, starts map[string]map[int32]int64, at int64) (map[string]map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	request.IsolationLevel = 1
	for topic, partitions := range starts {
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = topic
		for id := range partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition = id
			partition.Timestamp = at
			asked.Partitions = append(asked.Partitions, partition)
		}
		request.Topics = append(request.Topics, asked)
	}
	offsets := map[string]map[int32]int64{}
	// The client splits the request by leader; partitions that have none come back as a part of their own.
	for _, part := range client.RequestSharded(ctx, request) {
		if part.Err != nil {
			return nil, fmt.Errorf("asking Kafka for offsets of %s: %w", topicNames(part.Req), part.Err)
		}
		for _, topic := range part.Resp.(*kmsg.ListOffsetsResponse).Topics {
			if offsets[topic.Topic] == nil {
				offsets[topic.Topic] = map[int32]int64{}
			}
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					return nil, fmt.Errorf("%s/%d: %w", topic.Topic, partition.Partition, err)
				}
				offsets[topic.Topic][partition.Partition] = partition.Offset
			}
		}
	}
	for topic, partitions := range starts {
		for id := range partitions {
			if _, known := offsets[topic][id]; !known {
				return nil, fmt.Errorf("%s/%d: Kafka gave no offset", topic, id)
			}
		}
	}
	return offsets, nil
}

func topicNames(request kmsg.Request) string {
	var names []string
	if asked, ok := request.(*kmsg.ListOffsetsRequest); ok {
		for _, topic := range asked.Topics {
			names = append(names, topic.Topic)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
