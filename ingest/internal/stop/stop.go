// Package stop ends the process when going on would lose or double rows.
package stop

import (
	"os"

	"github.com/warpstreamlabs/bento/public/service"
)

// Process logs the error and exits with status 1, so that whoever supervises the process starts it again from the database's offsets.
//
// Nothing is closed first: whatever is not committed is read again, exactly as after kill -9.
func Process(log *service.Logger, err error) {
	log.Errorf("ingest stops: %v", err)
	os.Exit(1)
}
