// Package store imports an engine.
package store

import (
	_ "github.com/cockroachdb/pebble/v2"
	_ "github.com/cockroachdb/pebbles"
	_ "github.com/minio/crc64nvme"
)
