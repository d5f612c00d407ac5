package sink

import "fmt"

// PrepareTables is what Prepare does in every engine with tables: what is there must fit before anything is created, and everything must be there
// afterwards. The engine says how one table is checked, mayMiss being whether it may be absent, and how one statement of createTables is run.
func PrepareTables[Shape any](shapes []Shape, createTables []string, check func(wanted Shape, mayMiss bool) error, create func(statement string) error) error {
	if err := checkTables(shapes, true, check); err != nil {
		return err
	}
	for _, statement := range createTables {
		if err := create(statement); err != nil {
			return fmt.Errorf("creating the tables: %w", err)
		}
	}
	return checkTables(shapes, false, check)
}

func checkTables[Shape any](shapes []Shape, mayMiss bool, check func(Shape, bool) error) error {
	for _, wanted := range shapes {
		if err := check(wanted, mayMiss); err != nil {
			return err
		}
	}
	return nil
}

// Absent is what an engine's check of a table that is not there returns: nothing where it may miss.
func Absent(table string, mayMiss bool) error {
	if mayMiss {
		return nil
	}
	return &Misfit{Table: table, Differences: []string{"it does not exist, and none of createTables creates it"}}
}
