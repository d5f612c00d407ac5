package endtoend

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"compute-mesh.dev/ingest/internal/testdb"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAWrongPasswordIsSaidAndTriedAgain(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	produce(t, client(t, brokers), value(0))
	testdb.Exec(t, dsn, fmt.Sprintf("CREATE USER %s PASSWORD 'right'; GRANT ALL ON DATABASE %s TO %[1]s; GRANT ALL ON SCHEMA public TO %[1]s", testdb.PasswordUser, database))
	t.Cleanup(func() { testdb.Exec(t, dsn, fmt.Sprintf("DROP OWNED BY %s; DROP USER %[1]s", testdb.PasswordUser)) })
	d := podOf(brokers, database, 1)
	d.user, d.password = testdb.PasswordUser, "wrong word"
	p := d.start(t)
	p.waitReady(t, 503, "refuses user \\\"guarded\\\"")
	p.waitReady(t, 503, "SQLSTATE 28P01")
	testdb.Exec(t, dsn, fmt.Sprintf("ALTER USER %s PASSWORD 'wrong word'", testdb.PasswordUser))
	p.waitReady(t, 200, "caught up")
	if !caughtUp(t, cluster, dsn) || strings.Contains(p.log.String(), "wrong word") {
		t.Error(p.log)
	}
}

func TestWrongCredentialsOfKafkaAreSaid(t *testing.T) {
	database, _ := server.Empty(t)
	for password, ready := range map[string]int{"secret": 200, "other": 503} {
		_, brokers := broker(t, 1, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "mesh", password))
		d := podOf(brokers, database, 1)
		d.sasl = "SCRAM-SHA-512"
		text := "caught up"
		if ready != 200 {
			text = "perhaps it refuses the credentials, or does not speak SCRAM-SHA-512"
		}
		p := d.start(t)
		p.waitReady(t, ready, text)
		if strings.Contains(p.log.String(), "secret") {
			t.Error(p.log)
		}
		p.kill()
	}
}

func TestBrokersThatSayWhyAreQuoted(t *testing.T) {
	database, _ := server.Empty(t)
	cluster, brokers := broker(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "mesh", "secret"))
	cluster.ControlKey(kmsg.SASLAuthenticate.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	d := podOf(brokers, database, 1)
	d.sasl = "PLAIN"
	d.start(t).waitReady(t, 503, "Kafka refuses the credentials: asking Kafka for topics: SASL_AUTHENTICATION_FAILED")
}

func TestATopicThatIsMissingIsNamedAndWaitedFor(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	if err := cluster.DeleteTopic("events"); err != nil {
		t.Fatal(err)
	}
	p := podOf(brokers, database, 1).start(t)
	p.waitReady(t, 503, "topic \\\"events\\\" does not exist. Create it with 1 partitions")
	if err := cluster.CreateTopic("events", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, brokers), value(0))
	p.waitUntil(t, "the row", func() bool { return caughtUp(t, cluster, dsn) })
	p.waitReady(t, 200, "caught up")
}

func TestAMissingTopicForDeadLettersIsNamed(t *testing.T) {
	database, _ := server.Empty(t)
	_, brokers := broker(t, 1)
	d := podOf(brokers, database, 1)
	d.deadLetter = "dead"
	d.start(t).waitReady(t, 503, "topic \\\"dead\\\" does not exist")
}

func TestAnotherNumberOfPartitionsStopsReadingAtTheStartAndLater(t *testing.T) {
	database, dsn := server.Empty(t)
	_, brokers := broker(t, 2)
	c := client(t, brokers)
	produce(t, c, value(0))
	wrong := podOf(brokers, database, 3)
	p := wrong.start(t)
	p.waitReady(t, 503, "topic \\\"events\\\" has 2 partitions, and the settings say 3")
	p.kill()
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events"); got != "0" {
		t.Error(got)
	}
	p = podOf(brokers, database, 2).start(t)
	p.waitReady(t, 200, "caught up")
	more := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "events", 3
	more.Topics, more.TimeoutMillis = append(more.Topics, topic), 5000
	if _, err := more.RequestWith(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	p.waitReady(t, 503, "topic \\\"events\\\" has 3 partitions, and the settings say 2: another number sends keys to other shards. Make a new topic")
	before := testdb.Text(t, dsn, "SELECT count(*) FROM events")
	produce(t, c, value(1))
	time.Sleep(time.Second)
	if got := testdb.Text(t, dsn, "SELECT count(*) FROM events"); got != before {
		t.Errorf("%s rows after %s: still reading", got, before)
	}
}

func TestASchemaThatDoesNotFitIsNamedAndNothingIsWritten(t *testing.T) {
	database, dsn := server.Empty(t)
	_, brokers := broker(t, 1)
	produce(t, client(t, brokers), value(0))
	testdb.Exec(t, dsn, `CREATE TABLE events (part bigint, off bigint, ts timestamptz, doc jsonb, extra int NOT NULL, PRIMARY KEY (off, part))`)
	p := podOf(brokers, database, 1).start(t)
	p.waitReady(t, 503, `table \"events\" does not fit the settings`)
	_, body := p.get("/ready")
	for _, text := range []string{`column \"part\": bigint found, integer expected`, `column \"key\": not found, text expected`, `primary key: [off part] found, [part off] expected`,
		`column \"extra\": integer NOT NULL without a default found`} {
		if !strings.Contains(body, text) {
			t.Errorf("%s is not in %s", text, body)
		}
	}
	if got := testdb.Text(t, dsn, "SELECT row(to_regclass('mesh_offsets'), (SELECT count(*) FROM events))"); got != "(,0)" {
		t.Error(got)
	}
	testdb.Exec(t, dsn, "DROP TABLE events")
	p.waitReady(t, 200, "caught up")
}

func TestADatabaseThatComesBackEmptyIsPreparedAgainWithoutARestart(t *testing.T) {
	for name, lose := range map[string]string{
		"new":         "DROP TABLE events, mesh_offsets, mesh_shards, mesh_cuts",
		"emptied":     "TRUNCATE events, mesh_offsets, mesh_shards",
		"older":       "DELETE FROM events WHERE off >= 1; UPDATE mesh_offsets SET next_offset = 1",
		"a new table": "DROP TABLE events; TRUNCATE mesh_offsets",
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, busy %v", name, busy), func(t *testing.T) {
				database, dsn := server.Empty(t)
				cluster, brokers := broker(t, 1)
				c := client(t, brokers)
				produce(t, c, value(0), value(1))
				p := podOf(brokers, database, 1).start(t)
				p.waitReady(t, 200, "caught up")
				testdb.Exec(t, dsn, lose)
				if busy {
					produce(t, c, value(2))
				}
				p.waitUntil(t, "a second start", func() bool {
					_, text := p.get("/metrics")
					return strings.Contains(text, "mesh_ingest_starts_total 2")
				})
				p.waitReady(t, 200, "caught up")
				if rows := wantRows(t, cluster, brokers, dsn); rows < 2 {
					t.Error(rows)
				}
			})
		}
	}
}

func TestADatabaseThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	database, dsn := server.Empty(t)
	cluster, brokers := broker(t, 1)
	produce(t, client(t, brokers), value(0))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	p := podOf(brokers, database, 1).start(t)
	p.waitReady(t, 503, "connection refused")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	p.waitReady(t, 200, "caught up")
	if !caughtUp(t, cluster, dsn) {
		t.Error("rows are missing")
	}
}
