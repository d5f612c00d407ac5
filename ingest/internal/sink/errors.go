package sink

import (
	"errors"
	"fmt"
)

// Class says what an error of a database means.
type Class int

const (
	// Transient errors pass: the same is tried again. Everything that an engine does not know is transient.
	Transient Class = iota
	// Credentials are wrong, or the user may not do what is needed: tried again slowly, because somebody has to act.
	Credentials
	// Setup is what else somebody has to put right: a schema that does not fit, a database that does not exist.
	Setup
	// Gone means that a table of the mesh is not there any more: the database is another one than at the start and is prepared anew.
	Gone
	// Poison is a row that the database will never take: out of range, against a constraint, too long.
	Poison
	// DocumentLimit is Poison where the document of the row is at fault, valid JSON as it is: it is wrapped in base64 and tried once more.
	DocumentLimit
)

// Misfit is a table that is not as the settings say. Engines return it from Prepare; it is Setup without asking Classify.
type Misfit struct {
	Table string
	// Differences, each "column "x": bigint found, integer expected" or alike.
	Differences []string
}

// Error names the table and every difference.
func (m *Misfit) Error() string {
	text := fmt.Sprintf("table %q does not fit the settings", m.Table)
	for i, difference := range m.Differences {
		if i == 0 {
			text += ": "
		} else {
			text += "; "
		}
		text += difference
	}
	return text + ". Nothing is written. Change the table to fit, or give the topic another table"
}

// Changed means that the database is not where this process left it (empty, older, written by another): everything is read from it anew.
type Changed struct{ reason string }

// Error says how that was noticed.
func (c *Changed) Error() string { return c.reason }

func changed(format string, args ...any) error {
	return &Changed{fmt.Sprintf(format, args...)}
}

// Poisoned is a record that can never be stored and that no topic takes: the process ends.
type Poisoned struct{ reason string }

// Error names the record and why it cannot be stored.
func (p *Poisoned) Error() string { return p.reason }

// ClassOf is what an error of the sink means, the errors of this package included.
func ClassOf(s Sink, err error) Class {
	var misfit *Misfit
	var other *Changed
	switch {
	case errors.As(err, &misfit):
		return Setup
	case errors.As(err, &other):
		return Gone
	default:
		return s.Classify(err)
	}
}

// NewChanged is a database whose next offset is not the one that this process left there, or gone.
func NewChanged(partition Partition, left, found int64, known bool) error {
	if !known {
		return changed("%v: it has no offset any more, and had %d: it came back empty, or its offsets were deleted", partition, left)
	}
	return changed("%v: it goes on at offset %d, and had %d: it came back older", partition, found, left)
}
