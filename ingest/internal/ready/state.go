// Package ready says how far ingest is: to Kubernetes, to people and to Prometheus.
package ready

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"compute-mesh.dev/ingest/internal/sink"
)

// hysteresis: a node that was ready stays so until a partition lags this many times more than is allowed.
const hysteresis = 10

// State is where the program is. It is safe for use by several goroutines.
type State struct {
	maxLag int64

	mutex      sync.Mutex
	ready      bool
	reason     string
	note       string
	streaming  bool
	waiting    bool
	partitions map[sink.Partition]*progress
}

// progress of one partition; -1 is unknown.
type progress struct {
	// next is the first offset that is not in the database.
	next int64
	// stored: the database has that offset.
	stored bool
	// end is where reading must stop for now.
	end int64
	// caught up once since the start, or since readiness was lost.
	caught bool
}

func (p *progress) lag() int64 {
	if p.next < 0 || p.end < 0 {
		return -1
	}
	return max(0, p.end-p.next)
}

// NewState is not ready.
func NewState(maxLag int64) *State {
	return &State{maxLag: maxLag, reason: "starting"}
}

// Halt says why nothing is ingested. The partitions stay in sight.
func (s *State) Halt(reason string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ready, s.streaming, s.reason, s.note = false, false, reason, ""
}

// Start notes the partitions that are ingested now and their next offsets in the database, -1 where it has none. Awaited, if not empty, says what
// this node should hold and does not yet, so that it is not ready.
func (s *State) Start(next map[sink.Partition]int64, awaited string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := s.partitions
	s.partitions = map[sink.Partition]*progress{}
	for partition, offset := range next {
		p := &progress{next: offset, stored: offset >= 0, end: -1}
		if old := before[partition]; old != nil {
			p.end = old.end
			p.caught = old.caught && offset >= old.next
		}
		s.partitions[partition] = p
	}
	s.streaming, s.waiting, s.note = true, awaited != "", ""
	s.ready, s.reason = false, awaited
	s.judge()
}

// Began notes where a partition without an offset begins.
func (s *State) Began(partition sink.Partition, offset int64) {
	s.change(partition, func(p *progress) {
		if p.next < 0 {
			p.next = offset
		}
	})
}

// Written notes how far the database is.
func (s *State) Written(partition sink.Partition, next int64) {
	s.change(partition, func(p *progress) { p.next, p.stored = max(p.next, next), true })
}

// Ended notes how far Kafka can be read.
func (s *State) Ended(partition sink.Partition, end int64) {
	s.change(partition, func(p *progress) { p.end = max(p.end, end) })
}

func (s *State) change(partition sink.Partition, set func(*progress)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if p := s.partitions[partition]; p != nil {
		set(p)
		s.judge()
	}
}

// Note is something worth saying that changes nothing about readiness, or "".
func (s *State) Note(text string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.note = text
}

// judge applies the rule: ready once every partition was close enough to its end; no longer when one is far behind.
func (s *State) judge() {
	if !s.streaming || s.waiting {
		return
	}
	open, far := 0, false
	var slowest string
	for partition, p := range s.partitions {
		lag := p.lag()
		switch {
		case lag >= 0 && lag <= s.maxLag:
			p.caught = true
		case s.ready && lag > hysteresis*max(1, s.maxLag):
			far = true
		}
		if !p.caught {
			open++
			slowest = partition.String()
		}
	}
	if far {
		s.ready = false
		for _, p := range s.partitions {
			p.caught = p.lag() >= 0 && p.lag() <= s.maxLag
		}
	}
	switch {
	case s.ready:
	case far:
		s.reason = fmt.Sprintf("fell behind: more than %d records", hysteresis*max(1, s.maxLag))
	case open > 0:
		s.reason = fmt.Sprintf("catching up: %d of %d partitions were never within %d records of their end, among them %s", open, len(s.partitions), s.maxLag, slowest)
	default:
		s.ready, s.reason = true, "caught up"
		if len(s.partitions) == 0 {
			s.reason = "this node owns no shard"
		}
	}
}

// Stored are the offsets that the database must have.
func (s *State) Stored() map[sink.Partition]int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	stored := map[sink.Partition]int64{}
	for partition, p := range s.partitions {
		if p.stored {
			stored[partition] = p.next
		}
	}
	return stored
}

// Report is the body of /ready.
type Report struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason"`
	Note   string `json:"note,omitempty"`
	// Partitions, those with the largest lag first.
	Partitions []Partition `json:"partitions"`
	// More are left out.
	More int `json:"more,omitempty"`
}

// Partition in a report; null is unknown.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Next      *int64 `json:"next"`
	Lag       *int64 `json:"lag"`
}

// Report lists at most so many partitions; 0 means all.
func (s *State) Report(most int) Report {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	report := Report{Ready: s.ready, Reason: s.reason, Note: s.note, Partitions: make([]Partition, 0, len(s.partitions))}
	for partition, p := range s.partitions {
		report.Partitions = append(report.Partitions, Partition{partition.Topic, partition.ID, known(p.next), known(p.lag())})
	}
	slices.SortFunc(report.Partitions, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(sortable(b.Lag), sortable(a.Lag)), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	if most > 0 && len(report.Partitions) > most {
		report.More = len(report.Partitions) - most
		report.Partitions = report.Partitions[:most]
	}
	return report
}

func known(offset int64) *int64 {
	if offset < 0 {
		return nil
	}
	return &offset
}

// sortable puts what is unknown first.
func sortable(lag *int64) int64 {
	if lag == nil {
		return 1<<63 - 1
	}
	return *lag
}
