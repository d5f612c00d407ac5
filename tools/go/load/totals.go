package main

import "time"

// sums are what a set of records adds up to. Sums of a million amounts stay far below 2^53, so that every reader of JSON gets them right.
type sums struct {
	Count int64 `json:"count"`
	Sum   int64 `json:"sum"`
	Min   int64 `json:"min"`
	Max   int64 `json:"max"`
}

func (s *sums) add(amount int64) {
	s.merge(&sums{Count: 1, Sum: amount, Min: amount, Max: amount})
}

func (s *sums) merge(other *sums) {
	switch {
	case other.Count == 0:
		return
	case s.Count == 0:
		*s = *other
		return
	}
	s.Count += other.Count
	s.Sum += other.Sum
	s.Min = min(s.Min, other.Min)
	s.Max = max(s.Max, other.Max)
}

// totals are the sums of records by everything that a test may ask for. Records without a usable document are in no sum, only counted.
type totals struct {
	Total       sums             `json:"total"`
	ByPartition map[int32]*sums  `json:"byPartition"`
	ByKey       map[string]*sums `json:"byKey"`
	// ByTime begins each group with its time, RFC 3339; empty without -bucket.
	ByTime     map[string]*sums `json:"byTime,omitempty"`
	Poisoned   int64            `json:"poisoned"`
	Tombstones int64            `json:"tombstones"`
}

func newTotals() *totals {
	return &totals{ByPartition: map[int32]*sums{}, ByKey: map[string]*sums{}, ByTime: map[string]*sums{}}
}

func (t *totals) add(partition int32, key string, amount int64, at time.Time, bucket time.Duration) {
	t.Total.add(amount)
	entry(t.ByPartition, partition).add(amount)
	entry(t.ByKey, key).add(amount)
	if bucket > 0 {
		entry(t.ByTime, at.UTC().Truncate(bucket).Format(time.RFC3339Nano)).add(amount)
	}
}

func (t *totals) merge(other *totals) {
	t.Total.merge(&other.Total)
	mergeMaps(t.ByPartition, other.ByPartition)
	mergeMaps(t.ByKey, other.ByKey)
	mergeMaps(t.ByTime, other.ByTime)
	t.Poisoned += other.Poisoned
	t.Tombstones += other.Tombstones
}

func mergeMaps[K comparable](into, from map[K]*sums) {
	for key, value := range from {
		entry(into, key).merge(value)
	}
}

func entry[K comparable](all map[K]*sums, key K) *sums {
	found, ok := all[key]
	if !ok {
		found = &sums{}
		all[key] = found
	}
	return found
}
