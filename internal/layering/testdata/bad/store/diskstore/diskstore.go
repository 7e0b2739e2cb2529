// Package diskstore is in order.
package diskstore

import (
	_ "github.com/cockroachdb/pebble/v2/vfs"
)
