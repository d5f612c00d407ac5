package kafka

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/warpstreamlabs/bento/public/service"
)

// bytesField reads a size such as 256KiB or 8388608.
func bytesField(conf *service.ParsedConfig, path ...string) (int, error) {
	text, err := conf.FieldString(path...)
	if err != nil {
		return 0, err
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size < 1 || size > math.MaxInt32 {
		return 0, fmt.Errorf("%s: %q: a size from 1 to %d bytes is needed, such as 8MiB", strings.Join(path, "."), text, math.MaxInt32)
	}
	return int(size), nil
}
