// Package client imports upwards, and an engine.
package client

import (
	_ "github.com/aws/aws-sdk-go-v2/aws"
	_ "github.com/daypass/daypass"
	_ "github.com/daypass/daypass/server"
)
