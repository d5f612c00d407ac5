package kafka

import (
	"reflect"
	"strings"
	"testing"
)

func TestTopicsAreReadAsTheStartUpWritesThem(t *testing.T) {
	got, err := parseTopics([]string{"orders:0:123,orders:4,trade.log:2:0", "other:0-2"})
	want := map[string]map[int32]int64{
		"orders":    {0: 123, 4: oldest},
		"trade.log": {2: 0},
		"other":     {0: oldest, 1: oldest, 2: oldest},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestWrongTopicsAreNamed(t *testing.T) {
	for text, message := range map[string]string{
		"":              "at least one topic:partition",
		"orders":        `"orders": topic:partition`,
		"orders:x":      "the partition must be",
		"orders:3-1":    "the partition must be",
		"orders:0:-1":   "the offset must be",
		"orders:0:1:2":  "topic:partition",
		"a:0:1,a:0-1:2": "partition 0 is there twice",
	} {
		if _, err := parseTopics([]string{text}); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
