package clickhouse

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"compute-mesh.dev/ingest/internal/sink"
)

// client speaks ClickHouse's HTTP interface, https://clickhouse.com/docs/interfaces/http: one statement for each request.
type client struct {
	http           *http.Client
	address        string
	user, password string
	// name begins the id of every statement of this process.
	name string
}

// namePrefix begins the ids of the statements of any ingest.
const namePrefix = "mesh-ingest-"

func newClient(settings sink.Settings) (*client, error) {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: settings.Writers + 1,
		MaxConnsPerHost:     settings.Writers + 1,
		// A server closes idle connections after 3 seconds by default: a request that meets that would fail for nothing.
		IdleConnTimeout: 2 * time.Second,
	}
	scheme := "http"
	if settings.TLS {
		scheme = "https"
		transport.TLSClientConfig = &tls.Config{ServerName: settings.Host, MinVersion: tls.VersionTLS12}
		if settings.CAFile != "" {
			pem, err := os.ReadFile(settings.CAFile)
			if err != nil {
				return nil, fmt.Errorf("database.tls.caFile: %w", err)
			}
			transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("database.tls.caFile: %s has no certificate in PEM", settings.CAFile)
			}
		}
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	where := url.URL{
		Scheme:   scheme,
		Host:     net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port)),
		Path:     "/",
		RawQuery: url.Values{"database": {settings.Database}}.Encode(),
	}
	return &client{
		http:    &http.Client{Transport: transport, Timeout: settings.Timeout},
		address: where.String(), user: settings.User, password: settings.Password,
		name: namePrefix + hex.EncodeToString(random),
	}, nil
}

// failure is an answer that says no.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

// run sends a statement, with data behind it where it is an insert. Parameters are named `param_x` for `{x:Type}` in the statement; all others are settings.
func (c *client) run(ctx context.Context, statement string, data []byte, parameters url.Values) ([]byte, error) {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	query := url.Values{
		"query_id": {c.name + "-" + hex.EncodeToString(random)},
		// Errors while it runs come as an error, not behind the status 200.
		"wait_end_of_query": {"1"},
	}
	for name, values := range parameters {
		query[name] = values
	}
	body := []byte(statement)
	if data != nil {
		query.Set("query", statement)
		body = data
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+"&"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-ClickHouse-User", c.user)
	request.Header.Set("X-ClickHouse-Key", c.password)
	response, err := c.http.Do(request)
	if err != nil {
		// The client's error has the whole statement in it.
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, fmt.Errorf("asking ClickHouse: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading ClickHouse's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, failureOf(response, text)
	}
	return text, nil
}

var codePattern = regexp.MustCompile(`^Code: (\d+)`)

func failureOf(response *http.Response, text []byte) error {
	said := strings.TrimSpace(string(text))
	code, err := strconv.Atoi(response.Header.Get("X-ClickHouse-Exception-Code"))
	if found := codePattern.FindStringSubmatch(said); err != nil && found != nil {
		code, _ = strconv.Atoi(found[1])
	}
	if len(said) > 500 {
		said = said[:500] + "…"
	}
	return &failure{code: code, text: fmt.Sprintf("ClickHouse: %s: %s", response.Status, said)}
}

// lines runs a query and splits its answer in the format TabSeparated; texts of ours have nothing that it would escape.
func (c *client) lines(ctx context.Context, query string, parameters url.Values) ([][]string, error) {
	text, err := c.run(ctx, query+" FORMAT TabSeparatedRaw", nil, parameters)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}
