package endtoend

import "testing"

// While records and transactions (some aborted) come in, the program is killed with -9, its database crashes, commits fail and connections are cut,
// at random moments. Afterwards the table holds exactly what a reader of committed records sees. INGEST_SEED repeats a run, INGEST_ROUNDS makes it longer.
func TestKillsLoseNothingAndDoubleNothing(t *testing.T) {
	const partitions = 4
	s := startStorm(t, partitions, 10, 400)
	through := podOf(s.brokers, s.database, partitions)
	through.port = s.port
	commits := 0
	for round := range s.rounds {
		p := through.start(t)
		before := s.written(t)
		s.pause(150, 1050)
		s.strike(t, round, p)
		p.kill()
		if s.written(t) != before {
			commits++
		}
	}
	total := s.calm()
	p := podOf(s.brokers, s.database, partitions).start(t)
	p.waitUntil(t, "catching up", func() bool { return caughtUp(t, s.cluster, s.dsn) })
	rows := wantRows(t, s.cluster, s.brokers, s.dsn)
	t.Logf("%d records sent, %d committed, %d of %d rounds wrote before they were killed", total, rows, commits, s.rounds)
	if commits == 0 {
		t.Error("no round wrote anything: the kills proved nothing")
	}
}
