package kafka

import (
	"fmt"
	"strconv"
	"strings"
)

// oldest is the start of a partition that has no offset yet.
const oldest int64 = -2

// parseTopics reads `topic:partition[:offset]`, comma separated, each partition at most once. `topic:0-3` means four partitions.
func parseTopics(lists []string) (map[string]map[int32]int64, error) {
	starts := map[string]map[int32]int64{}
	for _, item := range strings.FieldsFunc(strings.Join(lists, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		parts := strings.Split(item, ":")
		if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
			return nil, fmt.Errorf("topics: %q: topic:partition or topic:partition:offset is needed", item)
		}
		first, last, err := parseRange(parts[1])
		if err != nil {
			return nil, fmt.Errorf("topics: %q: %w", item, err)
		}
		start := oldest
		if len(parts) == 3 {
			if start, err = strconv.ParseInt(parts[2], 10, 64); err != nil || start < 0 {
				return nil, fmt.Errorf("topics: %q: the offset must be a number from 0", item)
			}
		}
		if starts[parts[0]] == nil {
			starts[parts[0]] = map[int32]int64{}
		}
		for partition := first; partition <= last; partition++ {
			if _, double := starts[parts[0]][partition]; double {
				return nil, fmt.Errorf("topics: %q: partition %d is there twice", item, partition)
			}
			starts[parts[0]][partition] = start
		}
	}
	if len(starts) == 0 {
		return nil, fmt.Errorf("topics: at least one topic:partition is needed")
	}
	return starts, nil
}

func parseRange(text string) (int32, int32, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseInt(low, 10, 32)
	last, errLast := strconv.ParseInt(high, 10, 32)
	if err != nil || errLast != nil || first < 0 || last < first || last-first > 100_000 {
		return 0, 0, fmt.Errorf("the partition must be a number from 0 or a range like 0-3")
	}
	return int32(first), int32(last), nil
}
