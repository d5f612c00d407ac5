package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type kind int

const (
	plain kind = iota
	poisoned
	tombstone
)

// made is a record together with what it adds to the totals.
type made struct {
	record *kgo.Record
	kind   kind
	key    string
	amount int64
}

// generator makes the same records for the same settings, save for times where no start is given.
type generator struct {
	settings *produceSettings
	random   *rand.Rand
	next     int64
}

func newGenerator(settings *produceSettings) *generator {
	return &generator{settings: settings, random: rand.New(rand.NewPCG(settings.seed, 0)), next: settings.firstID}
}

var items = [...]string{"apple", "bread", "cheese", "dates", "eggs", "figs", "grapes", "honey"}

// make returns the next record: a document with the key as `customer`, an `amount`, an `item` and an `id`.
func (g *generator) make() made {
	id := g.next
	g.next++
	number := id - g.settings.firstID + 1
	key := fmt.Sprintf("c%06d", g.random.IntN(g.settings.keys))
	amount := g.random.Int64N(10_500) - 500
	at := g.time(number - 1)
	result := made{key: key, amount: amount}

	value := make([]byte, 0, 96)
	value = append(value, `{"id":`...)
	value = strconv.AppendInt(value, id, 10)
	value = append(value, `,"customer":"`...)
	value = append(value, key...)
	switch {
	case every(g.settings.tombstones, number):
		result.kind = tombstone
		value = nil
	case every(g.settings.poison, number) && number/g.settings.poison%2 == 0:
		result.kind = poisoned
		value = append(value, `","amount":"much"}`...)
	case every(g.settings.poison, number):
		result.kind = poisoned
		value = append(value, `","amount":`...)
	default:
		value = append(value, `","amount":`...)
		value = strconv.AppendInt(value, amount, 10)
		value = append(value, `,"item":"`...)
		value = append(value, items[g.random.IntN(len(items))]...)
		value = append(value, `","at":`...)
		value = strconv.AppendInt(value, at.UnixMilli(), 10)
		value = append(value, '}')
	}
	result.record = &kgo.Record{Topic: g.settings.topic, Key: []byte(key), Value: value, Timestamp: at}
	return result
}

// time of the record with this index: now, or spread evenly from the start on, then moved to either side.
func (g *generator) time(index int64) time.Time {
	at := time.Now()
	if !g.settings.start.IsZero() {
		at = g.settings.start.Add(time.Duration(float64(g.settings.span) * float64(index) / float64(g.settings.messages)))
	}
	if disorder := g.settings.disorder.Milliseconds(); disorder > 0 {
		at = at.Add(time.Duration(g.random.Int64N(2*disorder+1)-disorder) * time.Millisecond)
	}
	// Kafka keeps milliseconds.
	return at.Truncate(time.Millisecond)
}

func every(period, number int64) bool { return period > 0 && number%period == 0 }
