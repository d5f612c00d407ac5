package kafka

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func fetched(logStart int64, offsets ...int64) kgo.FetchPartition {
	answer := kgo.FetchPartition{LogStartOffset: logStart}
	for _, offset := range offsets {
		answer.Records = append(answer.Records, &kgo.Record{Topic: "t", Offset: offset, Value: []byte("{}")})
	}
	return answer
}

func TestGapsOfTheLogLieInsideStretches(t *testing.T) {
	p := &partition{topic: "t", from: 3, to: 3, written: 3}
	s := &Config{BatchCount: 2, BatchBytes: 1 << 20}
	if _, err := p.add(fetched(0, 5, 6, 9), time.Now()); err != nil {
		t.Fatal(err)
	}
	_, first, _ := p.take(s)
	_, second, _ := p.take(s)
	if first.From != 3 || first.To != 7 || first.Records != 2 || second.From != 7 || second.To != 10 || second.Records != 1 {
		t.Fatalf("%v, %v", first, second)
	}
}

func TestRecordsDeletedUnreadAreAnErrorThatSaysTheWayOut(t *testing.T) {
	p := &partition{topic: "t", from: 3, to: 3}
	_, err := p.add(fetched(5, 5, 6), time.Now())
	if err == nil || !strings.Contains(err.Error(), "UPDATE mesh_offsets SET next_offset = 5 WHERE topic = 't' AND partition = 0") {
		t.Fatal(err)
	}
	if p.to != 3 || len(p.pending) != 0 {
		t.Fatalf("taken all the same: %+v", p)
	}
}

func TestStartsOutsideTheLogAreRefused(t *testing.T) {
	if err := checkStart("t", 0, 5, 5, 9); err != nil {
		t.Error(err)
	}
	if err := checkStart("t", 0, 9, 5, 9); err != nil {
		t.Error(err)
	}
	if err := checkStart("t", 0, 4, 5, 9); err == nil {
		t.Error("below the log")
	}
	if err := checkStart("t", 0, 10, 5, 9); err == nil {
		t.Error("above the log")
	}
}

// However fetches, batches and failures follow each other: stretches that were written touch, and hold every record once, in order.
func TestStretchesNeverLeaveARecordOut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 300 {
		p := &partition{topic: "t", from: 0, to: 0}
		s := &Config{BatchCount: 1 + random.IntN(4), BatchBytes: 1 + random.IntN(12)}
		var produced, written []int64
		offset, at := int64(0), int64(0)
		for range 60 {
			if random.IntN(2) == 0 {
				var offsets []int64
				for range random.IntN(4) {
					offset += int64(random.IntN(3))
					offsets = append(offsets, offset)
					offset++
				}
				produced = append(produced, offsets...)
				if _, err := p.add(fetched(0, offsets...), time.Now()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if _, any := p.due(s); !any {
				continue
			}
			records, piece, taken := p.take(s)
			if random.IntN(3) == 0 {
				p.giveBack(records, piece, taken)
				continue
			}
			if piece.From != at || piece.Records != len(records) {
				t.Fatalf("seed %d round %d: %v after %d", seed, round, piece, at)
			}
			at = piece.To
			for _, record := range records {
				written = append(written, record.Offset)
			}
			p.done(piece)
		}
		for i, offset := range written {
			if produced[i] != offset || offset >= at {
				t.Fatalf("seed %d round %d: %v of %v", seed, round, written, produced)
			}
		}
		if rest := produced[len(written):]; len(rest) > 0 && rest[0] < at {
			t.Fatalf("seed %d round %d: offset %d was passed", seed, round, rest[0])
		}
		if want := recordCost*len(p.pending) + 2*len(p.pending); p.bytes != want {
			t.Fatalf("seed %d round %d: %d bytes counted, %d there", seed, round, p.bytes, want)
		}
	}
}
