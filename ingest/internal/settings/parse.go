package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/table"
)

var (
	identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	topicName  = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	version    = regexp.MustCompile(`^compute-mesh\.dev/v(\d+)(?:alpha(\d+)|beta(\d+))?$`)
)

const identifierRule = "lower-case letters, digits and underscores are allowed, not starting with a digit, at most 63 characters"

// Parse checks the document and adds what the environment has. Its error names everything that is wrong, with paths.
func Parse(text []byte, engines []string, environment func(string) string) (*Settings, error) {
	document, err := decode(text)
	if err != nil {
		return nil, err
	}
	p := &problems{}
	root := asObject(p, "the document", document)
	if root == nil {
		return nil, p.err()
	}
	root.path = ""
	if err := checkVersion(root); err != nil {
		return nil, err
	}
	root.known("apiVersion", "kind", "name", "clientId", "kafka", "database", "shardMap", "topics", "createTables", "deadLetterTopic", "batch", "bufferBytes",
		"awaitShards", "ready")
	s := &Settings{
		Name:            root.text("name"),
		ClientID:        root.text("clientId"),
		Kafka:           readKafka(root.object("kafka"), environment),
		Database:        readDatabase(root.object("database"), engines, environment),
		CreateTables:    root.texts("createTables", 0),
		DeadLetterTopic: root.optionalText("deadLetterTopic"),
		Batch:           readBatch(root.object("batch")),
		BufferBytes:     int(root.number("bufferBytes", 1, math.MaxInt32)),
		AwaitShards:     root.boolean("awaitShards"),
	}
	shardMap := root.object("shardMap")
	shardMap.known("version", "shardCount", "replicas")
	if shardMap != nil {
		// A text or a number, only for the log.
		s.ShardMapVersion = fmt.Sprint(shardMap.members["version"])
	}
	s.ShardCount = int(shardMap.number("shardCount", 1, 65536))
	shardMap.number("replicas", 1, 65536)
	s.Topics = readTopics(root.object("topics"), s.ShardCount)
	if _, same := s.Topics[s.DeadLetterTopic]; same {
		p.add("deadLetterTopic", s.DeadLetterTopic, "it must be another topic than those that are read")
	}
	ready := root.object("ready")
	ready.known("maxLagRecords")
	s.MaxLagRecords = ready.number("maxLagRecords", 0, math.MaxInt64/10)
	return s, p.err()
}

func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("no JSON document: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("no JSON document: something follows it")
	}
	return document, nil
}

// checkVersion comes before everything else: the members of another version are other ones.
func checkVersion(root *object) error {
	given, _ := root.members["apiVersion"].(string)
	if given != apiVersion {
		if version.MatchString(given) {
			return fmt.Errorf("apiVersion: %q was written for another version of this program, which reads %q. Run the image that belongs to the library that "+
				"wrote the settings", given, apiVersion)
		}
		root.problems.add("apiVersion", root.members["apiVersion"], apiVersion+" is allowed")
	}
	root.oneOf("kind", kind)
	return nil
}

func readKafka(o *object, environment func(string) string) Kafka {
	o.known("brokers", "tls", "sasl")
	k := Kafka{Brokers: o.texts("brokers", 1)}
	if o.has("tls") {
		secured := o.object("tls")
		secured.known("caFile", "certificateFile", "keyFile")
		k.TLS = &KafkaTLS{secured.optionalText("caFile"), secured.optionalText("certificateFile"), secured.optionalText("keyFile")}
		if (k.TLS.CertificateFile == "") != (k.TLS.KeyFile == "") {
			o.problems.add("kafka.tls", secured.members, "certificateFile and keyFile are needed together")
		}
	}
	if sasl := o.optional("sasl"); sasl != nil {
		sasl.known("mechanism")
		k.Mechanism = sasl.oneOf("mechanism", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
		k.Username = variable(o.problems, environment, "KAFKA_USERNAME")
		k.Password = variable(o.problems, environment, "KAFKA_PASSWORD")
	}
	return k
}

func readDatabase(o *object, engines []string, environment func(string) string) Database {
	o.known("engine", "host", "port", "database", "tls")
	d := Database{Engine: o.oneOf("engine", engines...), Host: o.text("host"), Port: int(o.number("port", 1, 65535)), Name: o.text("database")}
	if secured := o.optional("tls"); secured != nil {
		secured.known("caFile")
		d.TLS, d.CAFile = true, secured.optionalText("caFile")
	}
	if o != nil {
		d.User = variable(o.problems, environment, "DATABASE_USER")
		d.Password = variable(o.problems, environment, "DATABASE_PASSWORD")
	}
	return d
}

func variable(p *problems, environment func(string) string, name string) string {
	value := environment(name)
	if value == "" {
		p.add("environment variable "+name, nil, "a text is needed")
	}
	return value
}

func readBatch(o *object) Batch {
	o.known("count", "bytes", "periodMilliseconds")
	return Batch{
		Count:  int(o.number("count", 1, 1_000_000)),
		Bytes:  int(o.number("bytes", 1, math.MaxInt32)),
		Period: time.Duration(o.number("periodMilliseconds", 1, 3_600_000)) * time.Millisecond,
	}
}

func readTopics(o *object, shardCount int) map[string]Topic {
	topics, tables := map[string]Topic{}, map[string]string{}
	if o == nil {
		return topics
	}
	if len(o.members) == 0 {
		o.problems.add(o.path, o.members, "at least one topic is needed")
	}
	var names []string
	for name := range o.members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !topicName.MatchString(name) || name == "." || name == ".." {
			o.problems.add(o.at(name), o.members[name], "letters, digits, dots, underscores and hyphens are allowed in the name of a topic, at most 249")
		}
		one := o.object(name)
		one.known("partitions", "table")
		topic := Topic{Partitions: int(one.number("partitions", int64(max(1, shardCount)), 1_000_000)), Table: readTable(one.object("table"))}
		if other, double := tables[topic.Table.Name]; double && topic.Table.Name != "" {
			o.problems.add(one.at("table")+".name", topic.Table.Name, fmt.Sprintf("it is the table of topic %q already", other))
		}
		tables[topic.Table.Name] = name
		topics[name] = topic
	}
	return topics
}

func readTable(o *object) table.Facts {
	o.known("name", "columns", "document")
	facts := table.Facts{Name: o.text("name"), Document: o.boolean("document")}
	if facts.Name != "" && (!identifier.MatchString(facts.Name) || slices.Contains([]string{"mesh_offsets", "mesh_shards", "mesh_cuts"}, facts.Name)) {
		o.problems.add(o.at("name"), facts.Name, identifierRule+", and no table of the mesh itself")
	}
	seen := []string{"part", "off", "ts", "key", "doc", "shard"}
	for i, item := range o.list("columns") {
		column := readColumn(asObject(o.problems, fmt.Sprintf("%s[%d]", o.at("columns"), i), item))
		if slices.Contains(seen, column.Name) {
			o.problems.add(fmt.Sprintf("%s[%d].name", o.at("columns"), i), column.Name, "the table has a column of this name already")
		}
		seen = append(seen, column.Name)
		facts.Columns = append(facts.Columns, column)
	}
	if o != nil && len(facts.Columns) == 0 && !facts.Document {
		o.problems.add(o.at("document"), facts.Document, "without columns the document is all there is of a record: true is needed")
	}
	return facts
}

func readColumn(o *object) table.Column {
	o.known("name", "type", "from", "required")
	var types []string
	for _, one := range table.Types {
		types = append(types, string(one))
	}
	column := table.Column{Name: o.text("name"), Type: table.Type(o.oneOf("type", types...)), From: o.texts("from", 1), Required: o.boolean("required")}
	if column.Name != "" && !identifier.MatchString(column.Name) {
		o.problems.add(o.at("name"), column.Name, identifierRule)
	}
	return column
}

// ParseNode reads the node's file: lines `NAME=value`.
func ParseNode(text []byte, shardCount int) (*Node, error) {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, isOne := strings.Cut(strings.TrimSpace(line), "="); isOne && !strings.HasPrefix(name, "#") {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	p := &problems{}
	node := &Node{Name: values["MESH_NODE"], Shards: shardList(p, values, "MESH_SHARDS", shardCount)}
	if node.Name == "" {
		p.add("MESH_NODE", nil, "the name of the mesh node is needed")
	}
	for _, shard := range shardList(p, values, "MESH_PRIMARY_SHARDS", shardCount) {
		if !slices.Contains(node.Shards, shard) {
			p.add("MESH_PRIMARY_SHARDS", shard, "only shards of MESH_SHARDS are allowed")
		}
	}
	return node, p.err()
}

func shardList(p *problems, values map[string]string, name string, shardCount int) []int {
	text, given := values[name]
	if !given {
		p.add(name, nil, "a comma list of shards is needed, which may be empty")
		return nil
	}
	var shards []int
	for item := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		shard, err := strconv.Atoi(item)
		if err != nil || shard < 0 || shard >= shardCount || slices.Contains(shards, shard) {
			p.add(name, item, fmt.Sprintf("shards from 0 to %d are allowed, each once", shardCount-1))
			continue
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	return shards
}
