package ready

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// shownBytes leaves room for the kubelet's own words in a note of at most 1024 bytes, which is what an Event may have.
const shownBytes = 960

// Ask asks a running ingest whether it is ready, and gives its answer as one line.
//
// It is for a readiness probe that runs a command: the kubelet's Event of a failed one has what the command wrote, while that of an HTTP probe has the
// status alone (https://issue.k8s.io/99425).
func Ask(ctx context.Context, address string) (line string, ready bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/ready", nil)
	if err != nil {
		return short(err.Error()), false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return short(fmt.Sprintf("ingest does not answer: %v", err)), false
	}
	defer func() { _ = response.Body.Close() }()
	var report Report
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return short(fmt.Sprintf("ingest answers with status %d, and not as it should: %v", response.StatusCode, err)), false
	}
	line = report.Reason
	if report.Note != "" {
		line += "; " + report.Note
	}
	return short(line), report.Ready
}

func short(text string) string {
	if len(text) > shownBytes {
		text = strings.ToValidUTF8(text[:shownBytes], "") + "…"
	}
	return text
}
